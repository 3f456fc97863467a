-- Attempts at proving an account, counted before each is made. account and place are keyed digests: of what was named,
-- whether it exists or not, and of where from. Rows of an address alone, and of unknown tenants, are the platform's.
create table attempts (
  tenant_id uuid not null references tenants,
  account bytea not null,
  place bytea not null,
  count integer not null check (count >= 0),
  ends_at timestamptz not null,
  primary key (tenant_id, account, place)
);
create index attempts_by_end on attempts (tenant_id, ends_at);
call confine_to_tenant('attempts');
grant select, insert, update, delete on attempts to agent_iam_tenant;

alter table passwords add column must_change boolean not null default false;
-- Hashes that came from elsewhere and have not been replaced yet.
create index passwords_imported on passwords (tenant_id) where hash like '$2%';

-- What a person's password was before, so that it is not taken again.
create table former_passwords (
  tenant_id uuid not null,
  identity_id uuid not null,
  hash text not null,
  changed_at timestamptz not null,
  primary key (tenant_id, identity_id, hash),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
call confine_to_tenant('former_passwords');
grant select, insert, delete on former_passwords to agent_iam_tenant;
