-- Root keys of a tenant's Biscuits: they sign nothing else. Their life is a signing key's, and signing_key_sets counts
-- their changes too. root_key_id stands in the token, outside of what is signed; it is one key's in all tenants, so that
-- a token tells whose it would be.
create sequence biscuit_root_key_ids as bigint maxvalue 4294967295;
grant usage on sequence biscuit_root_key_ids to agent_iam_tenant;
create table biscuit_root_keys (
  tenant_id uuid not null references tenants,
  id uuid not null,
  root_key_id bigint not null unique default nextval('biscuit_root_key_ids'),
  algorithm text not null default 'EdDSA' check (algorithm = 'EdDSA'),
  key_type text not null default 'Ed25519' check (key_type = 'Ed25519'),
  public_jwk jsonb not null,
  sealed bytea,
  state text not null check (state in ('pending', 'active', 'backup', 'retiring', 'retired', 'revoked')),
  created_at timestamptz not null,
  revoked_at timestamptz,
  signs_from timestamptz,
  activated_at timestamptz,
  retires_at timestamptz,
  primary key (tenant_id, id)
);
create unique index biscuit_root_keys_active on biscuit_root_keys (tenant_id) where state = 'active';
create unique index biscuit_root_keys_pending on biscuit_root_keys (tenant_id) where state = 'pending';
call confine_to_tenant('biscuit_root_keys');
grant select, insert, update on biscuit_root_keys to agent_iam_tenant;

-- Whose root key it is: this is how the tenant of who presents a Biscuit becomes known.
create function find_root_key_tenant(wanted bigint) returns uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  found uuid;
begin
  perform set_config('app.lookup', 'on', true);
  select tenant_id into found from biscuit_root_keys where root_key_id = wanted;
  perform set_config('app.lookup', '', true);
  return found;
end $$;

-- Due too: who has no root key yet, or whose next one is to sign. The release before knows neither when it says when the
-- set is due.
create or replace function find_due_signing_keys(at timestamptz, at_most integer) returns setof uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform set_config('app.lookup', 'on', true);
  return query select t.tenant_id from tenants t left join signing_key_sets s on s.tenant_id = t.tenant_id
    where s.due_at is null or s.due_at <= at
      or not exists (select from biscuit_root_keys k where k.tenant_id = t.tenant_id and k.state = 'active')
      or exists (select from biscuit_root_keys k where k.tenant_id = t.tenant_id
        and (k.signs_from <= at or k.retires_at <= at))
    order by s.due_at nulls first limit at_most;
  perform set_config('app.lookup', '', true);
end $$;

-- A Biscuit that was handed out: the session that it presents. The token itself is kept nowhere. revocation_id is that of
-- its authority block, and so of every token that was made of it.
create table biscuits (
  tenant_id uuid not null,
  revocation_id bytea not null,
  session_id uuid not null,
  root_key_id bigint not null,
  expires_at timestamptz not null,
  primary key (tenant_id, revocation_id),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade
);
create index biscuits_by_session on biscuits (tenant_id, session_id);
create index biscuits_by_expiry on biscuits (tenant_id, expires_at);
call confine_to_tenant('biscuits');
grant select, insert, delete on biscuits to agent_iam_tenant;

-- A block that somebody appended and an administrator refused: no token that holds it is good. No Biscuit outlives
-- forgotten_at that may hold it.
create table revoked_biscuit_blocks (
  tenant_id uuid not null references tenants,
  revocation_id bytea not null,
  revoked_at timestamptz not null,
  forgotten_at timestamptz not null,
  primary key (tenant_id, revocation_id)
);
create index revoked_biscuit_blocks_by_end on revoked_biscuit_blocks (tenant_id, forgotten_at);
call confine_to_tenant('revoked_biscuit_blocks');
grant select, insert, delete on revoked_biscuit_blocks to agent_iam_tenant;

revoke all on function find_root_key_tenant from public;
grant execute on function find_root_key_tenant to agent_iam_tenant;
