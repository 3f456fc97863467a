-- OAuth clients that are none of our identities: an administrator registered them, they registered themselves
-- (RFC 7591), or their metadata lies at the URL that names them.
create table oauth_clients (
  tenant_id uuid not null references tenants,
  id uuid not null,
  source text not null check (source in ('registered', 'dynamic', 'metadata-document')),
  url text,
  name text not null,
  auth_method text not null check (auth_method in ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')),
  secret_digest bytea,
  redirect_uris text[] not null,
  post_logout_redirect_uris text[] not null,
  grant_types text[] not null,
  application_type text not null check (application_type in ('web', 'native')),
  default_scopes text[] not null,
  jwks jsonb,
  require_dpop boolean not null,
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  -- Of a client that registered itself and was not used yet; nothing is kept of it after.
  expires_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, url),
  check ((source = 'metadata-document') = (url is not null))
);
create index oauth_clients_by_expiry on oauth_clients (tenant_id, expires_at) where expires_at is not null;
call confine_to_tenant('oauth_clients');
grant select, insert, update, delete on oauth_clients to agent_iam_tenant;

-- How many registered themselves from one network in one hour. The network is a keyed digest.
create table oauth_registrations (
  tenant_id uuid not null references tenants,
  network bytea not null,
  hour timestamptz not null,
  count integer not null,
  primary key (tenant_id, network, hour)
);
call confine_to_tenant('oauth_registrations');
grant select, insert, update, delete on oauth_registrations to agent_iam_tenant;

-- Resource servers for which tokens are made (RFC 8707), with the scopes that they know, and the clients that may ask
-- whether such a token is still good.
create table oauth_resources (
  tenant_id uuid not null references tenants,
  id uuid not null,
  resource text not null,
  name text not null,
  scopes text[] not null,
  introspected_by text[] not null,
  created_by text not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, resource)
);
call confine_to_tenant('oauth_resources');
grant select, insert, update, delete on oauth_resources to agent_iam_tenant;

-- What the OAuth provider keeps: codes, grants, browser logins, refresh tokens. What names a row is often the secret
-- itself, so only digests are kept; what it holds is sealed.
create table oauth_payloads (
  tenant_id uuid not null references tenants,
  model text not null,
  id bytea not null check (length(id) = 32),
  payload bytea not null,
  grant_id bytea,
  user_code bytea,
  uid bytea,
  expires_at timestamptz not null,
  consumed_at timestamptz,
  primary key (tenant_id, model, id)
);
create index oauth_payloads_by_grant on oauth_payloads (tenant_id, grant_id) where grant_id is not null;
create unique index oauth_payloads_by_user_code on oauth_payloads (tenant_id, user_code) where user_code is not null;
create index oauth_payloads_by_uid on oauth_payloads (tenant_id, uid) where uid is not null;
create index oauth_payloads_by_expiry on oauth_payloads (tenant_id, expires_at);
call confine_to_tenant('oauth_payloads');
grant select, insert, update, delete on oauth_payloads to agent_iam_tenant;

-- The sessions that a grant's tokens have: one for each narrowing and key that they were asked with. The grant ends with
-- any of them, and all of them with the grant.
create table oauth_grant_sessions (
  tenant_id uuid not null,
  grant_id bytea not null check (length(grant_id) = 32),
  authority bytea not null check (length(authority) = 32),
  session_id uuid not null,
  expires_at timestamptz not null,
  primary key (tenant_id, grant_id, authority),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade
);
create index oauth_grant_sessions_by_session on oauth_grant_sessions (tenant_id, session_id);
call confine_to_tenant('oauth_grant_sessions');
grant select, insert, delete on oauth_grant_sessions to agent_iam_tenant;
