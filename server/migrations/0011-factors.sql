-- What a person has beside the password. The TOTP secret is sealed; a recovery code has 80 random bits, so its digest
-- is enough; of a passkey there is only the public half.
create table totp_factors (
  tenant_id uuid not null,
  identity_id uuid not null,
  secret bytea not null,
  created_at timestamptz not null,
  -- Null until a first code has shown that the app holds the secret.
  confirmed_at timestamptz,
  -- The last time step whose code was taken: a code is good once (RFC 6238 §5.2).
  last_step bigint not null,
  primary key (tenant_id, identity_id),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
call confine_to_tenant('totp_factors');
grant select, insert, update, delete on totp_factors to agent_iam_tenant;

create table recovery_codes (
  tenant_id uuid not null,
  identity_id uuid not null,
  digest bytea not null,
  primary key (tenant_id, identity_id, digest),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
call confine_to_tenant('recovery_codes');
grant select, insert, delete on recovery_codes to agent_iam_tenant;

create table passkeys (
  tenant_id uuid not null,
  id uuid not null,
  identity_id uuid not null,
  credential_id text not null,
  public_key bytea not null,
  counter bigint not null,
  name text not null,
  is_synced boolean not null,
  created_at timestamptz not null,
  last_used_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, credential_id),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
create index passkeys_by_identity on passkeys (tenant_id, identity_id);
call confine_to_tenant('passkeys');
grant select, insert, update, delete on passkeys to agent_iam_tenant;

create table tenant_settings (
  tenant_id uuid primary key references tenants,
  second_factor_for_administrators boolean not null
);
call confine_to_tenant('tenant_settings');
grant select, insert, update on tenant_settings to agent_iam_tenant;
