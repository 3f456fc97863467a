-- Secrets that are good once and name what they are about: a user whose password they reset, a registration, an
-- invitation. Of each only the digest is kept.
create table account_tokens (
  tenant_id uuid not null references tenants,
  digest bytea not null unique,
  purpose text not null check (purpose in ('password-reset', 'registration-status', 'address-proof', 'invitation')),
  subject_id uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  primary key (tenant_id, digest)
);
create index account_tokens_by_subject on account_tokens (tenant_id, subject_id, purpose);
create index account_tokens_by_expiry on account_tokens (tenant_id, expires_at);
call confine_to_tenant('account_tokens');
grant select, insert, update, delete on account_tokens to agent_iam_tenant;

create function find_account_token_tenant(wanted bytea) returns uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  found uuid;
begin
  perform set_config('app.lookup', 'on', true);
  select tenant_id into found from account_tokens where digest = wanted;
  perform set_config('app.lookup', '', true);
  return found;
end $$;

-- Who asked for a new password, as they said: looked into after the answer, which so costs the same for whoever is asked
-- for. The address is sealed.
create table reset_requests (
  tenant_id uuid not null references tenants,
  id uuid not null,
  email bytea not null,
  primary key (tenant_id, id)
);
call confine_to_tenant('reset_requests');
grant select, insert, update, delete on reset_requests to agent_iam_tenant;

create function find_tenants_with_reset_requests() returns setof uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform set_config('app.lookup', 'on', true);
  return query select distinct tenant_id from reset_requests limit 100;
  perform set_config('app.lookup', '', true);
end $$;

-- People who want an account. is_known: somebody has one with this address already, which only that person is told, by
-- mail; nobody approves it.
create table registrations (
  tenant_id uuid not null references tenants,
  id uuid not null,
  email text not null,
  name text not null,
  password_hash text,
  status text not null check (status in ('pending', 'approved', 'rejected')),
  is_known boolean not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  confirmed_at timestamptz,
  decided_at timestamptz,
  user_id uuid,
  primary key (tenant_id, id),
  foreign key (tenant_id, user_id) references identities (tenant_id, id),
  check ((status = 'pending') = (decided_at is null)),
  check ((status = 'approved') = (user_id is not null)),
  check (status = 'pending' or password_hash is null)
);
create index registrations_by_email on registrations (tenant_id, email, created_at);
create index registrations_by_expiry on registrations (tenant_id, expires_at);
call confine_to_tenant('registrations');
grant select, insert, update, delete on registrations to agent_iam_tenant;

-- Whether strangers may ask for an account; a tenant without a row takes them.
create table registration_settings (
  tenant_id uuid primary key references tenants,
  is_open boolean not null
);
call confine_to_tenant('registration_settings');
grant select, insert, update on registration_settings to agent_iam_tenant;

create table invitations (
  tenant_id uuid not null references tenants,
  id uuid not null,
  email text not null,
  name text not null,
  role text not null,
  status text not null check (status in ('pending', 'accepted', 'revoked')),
  invited_by text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  finished_at timestamptz,
  user_id uuid,
  primary key (tenant_id, id),
  foreign key (tenant_id, user_id) references identities (tenant_id, id)
);
create unique index invitations_pending on invitations (tenant_id, email) where status = 'pending';
create index invitations_by_inviter on invitations (tenant_id, invited_by) where status = 'pending';
call confine_to_tenant('invitations');
grant select, insert, update on invitations to agent_iam_tenant;

revoke all on function find_account_token_tenant, find_tenants_with_reset_requests from public;
grant execute on function find_account_token_tenant, find_tenants_with_reset_requests to agent_iam_tenant;
