-- What the operators of the platform decided about a tenant, and what the tenant did itself.
alter table tenants
  add column suspended_at timestamptz,
  add column default_agent_ttl_seconds integer check (default_agent_ttl_seconds > 0);

-- How much a tenant may have. What is null is as the server has it by default.
create table tenant_limits (
  tenant_id uuid primary key references tenants,
  agents integer check (agents >= 0),
  users integer check (users >= 1),
  services integer check (services >= 0),
  children integer check (children >= 0),
  delegation_depth integer check (delegation_depth between 0 and 10),
  bulk_items integer check (bulk_items >= 1)
);
call confine_to_tenant('tenant_limits');
grant select, insert, update on tenant_limits to agent_iam_tenant;

-- How many live identities of a kind a tenant has: the sum of the rows. Whoever makes or ends one adds a row, so nobody
-- waits for a counter; now and then some rows are folded into one.
create table identity_counts (
  tenant_id uuid not null references tenants,
  kind text not null check (kind in ('user', 'service', 'agent')),
  id bigint generated always as identity,
  change integer not null,
  primary key (tenant_id, kind, id)
);

create function is_live(status text) returns boolean language sql immutable
  as $$ select status in ('pending', 'active', 'suspended') $$;

create function count_identity() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if tg_op = 'DELETE' then
    insert into identity_counts (tenant_id, kind, change) values (old.tenant_id, old.kind, -1);
    return old;
  end if;
  insert into identity_counts (tenant_id, kind, change)
    values (new.tenant_id, new.kind, case when is_live(new.status) then 1 else -1 end);
  return new;
end $$;
create trigger count_made after insert on identities
  for each row when (is_live(new.status)) execute function count_identity();
create trigger count_changed after update of status on identities
  for each row when (is_live(new.status) is distinct from is_live(old.status)) execute function count_identity();
create trigger count_removed after delete on identities
  for each row when (is_live(old.status)) execute function count_identity();

select set_config('app.lookup', 'on', true);
insert into identity_counts (tenant_id, kind, change)
  select tenant_id, kind, count(*) from identities where is_live(status) group by tenant_id, kind;
select set_config('app.lookup', '', true);
call confine_to_tenant('identity_counts');
grant select, insert, update, delete on identity_counts to agent_iam_tenant;

-- The live children of one parent are counted, up to what it may have.
create index identities_live_children on identities (tenant_id, parent_id)
  where parent_id is not null and status in ('pending', 'active', 'suspended');

-- What the operators of the platform see of the tenants: of their rows, how many. To anyone else there are none.
create function read_tenants(wanted uuid, wanted_status text, after uuid, at_most integer)
  returns table (tenant_id uuid, slug text, name text, status text, created_at timestamptz, suspended_at timestamptz,
    default_agent_ttl_seconds integer, limits jsonb, counts jsonb)
  language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  if app_tenant() is distinct from '00000000-0000-7000-8000-000000000001' then return; end if;
  perform set_config('app.lookup', 'on', true);
  return query
    select t.tenant_id, t.slug, t.name, t.status, t.created_at, t.suspended_at, t.default_agent_ttl_seconds,
      (select to_jsonb(l) from tenant_limits l where l.tenant_id = t.tenant_id),
      (select jsonb_object_agg(c.kind, c.live) from (
        select kind, sum(change) as live from identity_counts where tenant_id = t.tenant_id group by kind) c)
    from tenants t
    where (wanted is null or t.tenant_id = wanted) and (wanted_status is null or t.status = wanted_status)
      and (after is null or t.tenant_id > after)
    order by t.tenant_id limit at_most;
  perform set_config('app.lookup', '', true);
end $$;
revoke all on function read_tenants from public;
grant execute on function read_tenants to agent_iam_tenant;
