-- Who acts: users, services and agents in one table. owner answers for it; parent lends it authority; created_by is
-- history. An id says its kind on the wire, so a reference keeps the kind beside the id.
create table identities (
  tenant_id uuid not null references tenants,
  id uuid not null unique,
  kind text not null check (kind in ('user', 'service', 'agent')),
  name text not null,
  name_skeleton text not null,
  type text not null,
  status text not null check (status in ('pending', 'active', 'suspended', 'revoked', 'deleted')),
  email text,
  owner_kind text check (owner_kind in ('user', 'service')),
  owner_id uuid,
  parent_id uuid,
  created_by text not null,
  enrolment_token_id uuid,
  trust_score numeric(5, 4) not null check (trust_score between 0 and 1),
  trust_basis text not null check (trust_basis in ('initial', 'administrator', 'computed')),
  labels text[] not null,
  metadata jsonb not null,
  expires_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  last_activity timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, owner_id) references identities (tenant_id, id),
  foreign key (tenant_id, parent_id) references identities (tenant_id, id),
  check (kind <> 'agent' or owner_id is not null)
);
create unique index identities_name on identities (tenant_id, name_skeleton)
  where parent_id is null and status <> 'deleted' and kind <> 'user';
create unique index identities_email on identities (tenant_id, email) where status <> 'deleted';
create index identities_by_name on identities (tenant_id, kind, name, id);
create index identities_by_owner on identities (tenant_id, owner_id);
create index identities_by_enrolment on identities (tenant_id, enrolment_token_id) where enrolment_token_id is not null;
call confine_to_tenant('identities');
grant select, insert, update on identities to agent_iam_tenant;

create function find_identity_tenant(wanted uuid) returns uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  found uuid;
begin
  perform set_config('app.lookup', 'on', true);
  select tenant_id into found from identities where id = wanted;
  perform set_config('app.lookup', '', true);
  return found;
end $$;

-- Grants to one identity. entry is the capability as it was written; the other columns are its parts.
create table capability_grants (
  tenant_id uuid not null,
  identity_id uuid not null,
  entry text not null,
  granted_by text not null,
  granted_at timestamptz not null,
  expires_at timestamptz,
  primary key (tenant_id, identity_id, entry),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
call confine_to_tenant('capability_grants');
grant select, insert, update, delete on capability_grants to agent_iam_tenant;

create table role_assignments (
  tenant_id uuid not null,
  identity_id uuid not null,
  role text not null,
  granted_by text not null,
  granted_at timestamptz not null,
  primary key (tenant_id, identity_id, role),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
call confine_to_tenant('role_assignments');
grant select, insert, delete on role_assignments to agent_iam_tenant;

create table agent_keys (
  tenant_id uuid not null,
  thumbprint text not null,
  identity_id uuid not null,
  public_key bytea not null check (length(public_key) = 32),
  status text not null check (status in ('active', 'revoked')),
  created_at timestamptz not null,
  primary key (tenant_id, thumbprint),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
create index agent_keys_by_identity on agent_keys (tenant_id, identity_id);
call confine_to_tenant('agent_keys');
grant select, insert, update on agent_keys to agent_iam_tenant;

create table passwords (
  tenant_id uuid not null,
  identity_id uuid not null,
  hash text not null,
  changed_at timestamptz not null,
  primary key (tenant_id, identity_id),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
call confine_to_tenant('passwords');
grant select, insert, update on passwords to agent_iam_tenant;

create table enrolment_tokens (
  tenant_id uuid not null references tenants,
  id uuid not null,
  digest bytea not null unique,
  name text not null,
  owner_kind text not null check (owner_kind in ('user', 'service')),
  owner_id uuid not null,
  allowed_types text[] not null,
  ceiling text[] not null,
  quota integer not null,
  used integer not null check (used between 0 and quota),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, owner_id) references identities (tenant_id, id)
);
call confine_to_tenant('enrolment_tokens');
grant select, insert, update on enrolment_tokens to agent_iam_tenant;

create function find_enrolment_token_tenant(wanted bytea) returns uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  found uuid;
begin
  perform set_config('app.lookup', 'on', true);
  select tenant_id into found from enrolment_tokens where digest = wanted;
  perform set_config('app.lookup', '', true);
  return found;
end $$;

-- Nonces of challenges and ids of assertions, kept until they could no longer be replayed.
create table used_nonces (
  tenant_id uuid not null references tenants,
  purpose text not null,
  nonce text not null,
  expires_at timestamptz not null,
  primary key (tenant_id, purpose, nonce)
);
create index used_nonces_by_expiry on used_nonces (tenant_id, expires_at);
call confine_to_tenant('used_nonces');
grant select, insert, delete on used_nonces to agent_iam_tenant;

create table sessions (
  tenant_id uuid not null,
  id uuid not null,
  identity_id uuid not null,
  started_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  end_reason text,
  primary key (tenant_id, id),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
create index sessions_by_identity on sessions (tenant_id, identity_id) where ended_at is null;
call confine_to_tenant('sessions');
grant select, insert, update on sessions to agent_iam_tenant;

create table refresh_tokens (
  tenant_id uuid not null,
  digest bytea not null unique,
  session_id uuid not null,
  created_at timestamptz not null,
  used_at timestamptz,
  primary key (tenant_id, digest),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id)
);
call confine_to_tenant('refresh_tokens');
grant select, insert, update on refresh_tokens to agent_iam_tenant;

create function find_refresh_token_tenant(wanted bytea) returns uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  found uuid;
begin
  perform set_config('app.lookup', 'on', true);
  select tenant_id into found from refresh_tokens where digest = wanted;
  perform set_config('app.lookup', '', true);
  return found;
end $$;

revoke all on function find_identity_tenant, find_enrolment_token_tenant, find_refresh_token_tenant from public;
grant execute on function find_identity_tenant, find_enrolment_token_tenant, find_refresh_token_tenant to agent_iam_tenant;

-- A session with whose it is. A function, because its plan is kept: every authenticated request asks.
create function read_session(wanted uuid)
  returns table (id uuid, identity_id uuid, started_at timestamptz, expires_at timestamptz, ended_at timestamptz,
    kind text, status text, identity_expires_at timestamptz)
  language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  return query
    select s.id, s.identity_id, s.started_at, s.expires_at, s.ended_at, i.kind, i.status, i.expires_at
    from sessions s join identities i on i.tenant_id = s.tenant_id and i.id = s.identity_id
    where s.tenant_id = app_tenant() and s.id = wanted;
end $$;
