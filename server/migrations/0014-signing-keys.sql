-- The life of a signing key: pending (published, does not sign yet), active (one for each algorithm), backup (published,
-- signs only once it is promoted), retiring (verifies what it signed), retired, revoked. A key ended when revoked_at is
-- set, whichever of the two it is; its private half is gone from the moment that it signs no more.
alter table signing_keys
  alter column sealed drop not null,
  add column key_type text not null default 'RSA-2048' check (key_type in ('RSA-2048', 'RSA-4096', 'Ed25519')),
  add column state text not null default 'active'
    check (state in ('pending', 'active', 'backup', 'retiring', 'retired', 'revoked')),
  add column signs_from timestamptz,
  add column activated_at timestamptz,
  add column retires_at timestamptz;
create unique index signing_keys_active on signing_keys (tenant_id, algorithm) where state = 'active';
create unique index signing_keys_pending on signing_keys (tenant_id, algorithm) where state = 'pending';

-- Counts the changes of a tenant's keys, so that an instance knows whether those it holds are the present ones; who
-- changes them holds this row. due_at is when the clock will change them next.
create table signing_key_sets (
  tenant_id uuid primary key references tenants,
  version bigint not null,
  algorithm text not null check (algorithm in ('RS256', 'EdDSA')),
  due_at timestamptz not null
);
create index signing_key_sets_by_due on signing_key_sets (due_at);
call confine_to_tenant('signing_key_sets');
grant select, insert, update on signing_key_sets to agent_iam_tenant;

-- Asked in the same statement as whatever a token's acceptance rests on, so that a revoked key is refused at once.
create function signing_keys_version() returns bigint
  language plpgsql stable set search_path = public, pg_temp as $$
begin
  return coalesce((select version from signing_key_sets where tenant_id = app_tenant()), 0);
end $$;

-- The tenants whose keys the clock changes now, those longest due first. One that has no set yet is of an older release.
create function find_due_signing_keys(at timestamptz, at_most integer) returns setof uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform set_config('app.lookup', 'on', true);
  return query select t.tenant_id from tenants t left join signing_key_sets s on s.tenant_id = t.tenant_id
    where s.due_at is null or s.due_at <= at order by s.due_at nulls first limit at_most;
  perform set_config('app.lookup', '', true);
end $$;
revoke all on function find_due_signing_keys from public;
grant execute on function find_due_signing_keys to agent_iam_tenant;
