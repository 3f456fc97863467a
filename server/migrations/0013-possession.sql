-- An agent's key can be replaced: the one before logs in until its grace ends. A retiring key has an end, so that no old
-- key lives on by itself; the release before knows active keys only, and refuses it at once.
alter table agent_keys drop constraint agent_keys_status_check;
alter table agent_keys
  add column expires_at timestamptz,
  add constraint agent_keys_status_check check (status in ('active', 'retiring', 'revoked')),
  add constraint agent_keys_retiring_ends check (status <> 'retiring' or expires_at is not null);
create unique index agent_keys_active on agent_keys (tenant_id, identity_id) where status = 'active';

-- X.509 certificates that prove an agent or a service (RFC 8705). Pinned by thumbprint: no authority's word lets another
-- certificate in. The same one may stand at several identities, for a login says which it is for.
create table certificates (
  tenant_id uuid not null,
  identity_id uuid not null,
  thumbprint text not null,
  subject text not null,
  issuer text not null,
  serial_number text not null,
  not_before timestamptz not null,
  not_after timestamptz not null,
  created_by text not null,
  created_at timestamptz not null,
  primary key (tenant_id, identity_id, thumbprint),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id)
);
call confine_to_tenant('certificates');
grant select, insert, delete on certificates to agent_iam_tenant;
