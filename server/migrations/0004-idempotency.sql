-- The first answer to a creating request that carried an Idempotency-Key, kept for a day. response is null where the
-- answer held a secret, which is never stored.
create table idempotency_keys (
  tenant_id uuid not null references tenants,
  caller text not null,
  operation text not null,
  key text not null,
  request_digest bytea not null,
  response jsonb,
  expires_at timestamptz not null,
  primary key (tenant_id, caller, operation, key)
);
create index idempotency_keys_by_expiry on idempotency_keys (tenant_id, expires_at);
call confine_to_tenant('idempotency_keys');
grant select, insert, update, delete on idempotency_keys to agent_iam_tenant;
