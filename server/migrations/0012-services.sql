-- What services have beyond what every identity has; no default scopes: all that it holds.
create table services (
  tenant_id uuid not null,
  identity_id uuid not null,
  description text not null,
  default_scopes text[] not null,
  primary key (tenant_id, identity_id),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
call confine_to_tenant('services');
grant select, insert on services to agent_iam_tenant;

-- Client secrets. One that is deleted leaves its row: what it began says in the log whose it was.
create table service_secrets (
  tenant_id uuid not null,
  id uuid not null,
  identity_id uuid not null,
  digest bytea not null,
  prefix text not null,
  created_by text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  deleted_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
create index service_secrets_by_identity on service_secrets (tenant_id, identity_id) where deleted_at is null;
call confine_to_tenant('service_secrets');
grant select, insert, update on service_secrets to agent_iam_tenant;

-- Public keys for private_key_jwt. A key that was deleted is never taken again.
create table service_keys (
  tenant_id uuid not null,
  thumbprint text not null,
  identity_id uuid not null,
  kid text,
  algorithm text not null,
  jwk jsonb not null,
  created_by text not null,
  created_at timestamptz not null,
  deleted_at timestamptz,
  primary key (tenant_id, thumbprint),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
create index service_keys_by_identity on service_keys (tenant_id, identity_id) where deleted_at is null;
call confine_to_tenant('service_keys');
grant select, insert, update on service_keys to agent_iam_tenant;

create table api_keys (
  tenant_id uuid not null,
  id uuid not null,
  identity_kind text not null check (identity_kind in ('user', 'service', 'agent')),
  identity_id uuid not null,
  owner_kind text not null check (owner_kind in ('user', 'service', 'agent')),
  owner_id uuid not null,
  name text not null,
  prefix text not null,
  scopes text[],
  status text not null check (status in ('active', 'disabled', 'deleted')),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  last_used_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id),
  foreign key (tenant_id, owner_id) references identities (tenant_id, id)
);
create index api_keys_by_identity on api_keys (tenant_id, identity_id);
create index api_keys_by_owner on api_keys (tenant_id, owner_id);
call confine_to_tenant('api_keys');
grant select, insert, update on api_keys to agent_iam_tenant;

-- The secrets of a key: the present one, and for a grace the one before. Each has a session; ending it ends the secret.
create table api_key_secrets (
  tenant_id uuid not null,
  digest bytea not null unique,
  api_key_id uuid not null,
  session_id uuid not null,
  is_present boolean not null,
  primary key (tenant_id, digest),
  foreign key (tenant_id, api_key_id) references api_keys (tenant_id, id),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id)
);
create index api_key_secrets_by_key on api_key_secrets (tenant_id, api_key_id);
call confine_to_tenant('api_key_secrets');
grant select, insert, update, delete on api_key_secrets to agent_iam_tenant;

-- Looks through all tenants, for the digest of a secret alone: this is how the bearer's tenant becomes known.
create function find_api_key_secret(wanted bytea)
  returns table (tenant_id uuid, api_key_id uuid, session_id uuid, last_used_at timestamptz)
  language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  perform set_config('app.lookup', 'on', true);
  return query
    select s.tenant_id, s.api_key_id, s.session_id, k.last_used_at
    from api_key_secrets s join api_keys k on k.tenant_id = s.tenant_id and k.id = s.api_key_id
    where s.digest = wanted;
  perform set_config('app.lookup', '', true);
end $$;
revoke all on function find_api_key_secret from public;
grant execute on function find_api_key_secret to agent_iam_tenant;
