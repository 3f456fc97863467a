-- Work that one instance does at a time: who does it, and until when nobody else takes it up. The clock is the
-- database's, so that instances whose own clocks differ agree. The rows are the platform's own tenant's.
create table leases (
  tenant_id uuid not null references tenants,
  name text not null,
  holder text not null,
  ends_at timestamptz not null,
  primary key (tenant_id, name)
);
call confine_to_tenant('leases');
grant select, insert, update on leases to agent_iam_tenant;

-- Identities that were revoked, deleted or have expired, and below which something may still be shown as living. It
-- cannot act: every decision walks up its chain. because is whose end it was that reached down here.
create table settling (
  tenant_id uuid not null,
  identity_id uuid not null,
  because_id uuid not null,
  queued_at timestamptz not null,
  primary key (tenant_id, identity_id),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id),
  foreign key (tenant_id, because_id) references identities (tenant_id, id)
);
create index identities_living_below on identities (tenant_id, parent_id, id)
  where parent_id is not null and status in ('pending', 'active', 'suspended');
create index settling_by_time on settling (tenant_id, queued_at, identity_id);
call confine_to_tenant('settling');
grant select, insert, update, delete on settling to agent_iam_tenant;

-- What has run out is denied by the clock alone; expired_at says that its end was put on record. A grant or a certificate
-- that has run out is deleted, which takes the right to lock it.
alter table api_keys add column expired_at timestamptz;
alter table service_secrets add column expired_at timestamptz;
alter table enrolment_tokens add column expired_at timestamptz;
grant update on certificates, capability_grants to agent_iam_tenant;

-- What is due is found by its time, among what has not ended: no work to do costs a few look-ups.
create index identities_expiring on identities (expires_at, tenant_id)
  where expires_at is not null and kind = 'agent' and status in ('pending', 'active', 'suspended');
create index capability_grants_expiring on capability_grants (expires_at, tenant_id) where expires_at is not null;
create index sessions_expiring on sessions (expires_at, tenant_id) where ended_at is null;
create index agent_keys_expiring on agent_keys (expires_at, tenant_id) where status = 'retiring';
create index api_keys_expiring on api_keys (expires_at, tenant_id) where expired_at is null and status <> 'deleted';
create index service_secrets_expiring on service_secrets (expires_at, tenant_id)
  where expired_at is null and deleted_at is null;
create index certificates_expiring on certificates (not_after, tenant_id);
create index enrolment_tokens_expiring on enrolment_tokens (expires_at, tenant_id)
  where expired_at is null and revoked_at is null;

-- The tenants with something that has run out, or with something to settle, and what; in order, so that they can be paged.
create function find_tenants_with_expired(at timestamptz, after uuid, at_most integer)
  returns table (tenant_id uuid, kinds text[])
  language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  perform set_config('app.lookup', 'on', true);
  return query
    select due.tenant_id, array_agg(due.kind) from (
      select s.tenant_id, 'settling' as kind from settling s
      union select i.tenant_id, 'agents' from identities i
        where i.expires_at <= at and i.expires_at is not null and i.kind = 'agent'
          and i.status in ('pending', 'active', 'suspended')
      union select g.tenant_id, 'grants' from capability_grants g where g.expires_at <= at and g.expires_at is not null
      union select s.tenant_id, 'sessions' from sessions s where s.expires_at <= at and s.ended_at is null
      union select k.tenant_id, 'agent-keys' from agent_keys k where k.expires_at <= at and k.status = 'retiring'
      union select k.tenant_id, 'api-keys' from api_keys k
        where k.expires_at <= at and k.expired_at is null and k.status <> 'deleted'
      union select s.tenant_id, 'secrets' from service_secrets s
        where s.expires_at <= at and s.expired_at is null and s.deleted_at is null
      union select c.tenant_id, 'certificates' from certificates c where c.not_after <= at
      union select e.tenant_id, 'enrolment-tokens' from enrolment_tokens e
        where e.expires_at <= at and e.expired_at is null and e.revoked_at is null
    ) due where due.tenant_id > after group by due.tenant_id order by due.tenant_id limit at_most;
  perform set_config('app.lookup', '', true);
end $$;
revoke all on function find_tenants_with_expired from public;
grant execute on function find_tenants_with_expired to agent_iam_tenant;
