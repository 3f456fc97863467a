-- What was used: one row for everything that an identity was allowed, with the last time. Read out of the log, for everyone
-- of a decision’s chain. Never larger than the decisions that it tells of. `digest` is that of action, type and id, which
-- together are too long for an index.
create table decision_uses (
  tenant_id uuid not null references tenants,
  identity_id uuid not null,
  digest bytea not null,
  action text not null,
  resource_type text not null,
  resource_id text not null,
  last_at timestamptz not null,
  primary key (tenant_id, identity_id, digest)
);
call confine_to_tenant('decision_uses');
grant select, insert, update, delete on decision_uses to agent_iam_tenant;
create index decision_uses_by_last on decision_uses (tenant_id, last_at);

-- How far the log was read: the row is held while it is read further, so nothing is read twice or left out.
create table decision_use_cursors (
  tenant_id uuid primary key references tenants,
  sequence bigint not null,
  at timestamptz
);
call confine_to_tenant('decision_use_cursors');
grant select, insert, update on decision_use_cursors to agent_iam_tenant;

-- Tenants whose log has more than was read, those with most first.
create function find_tenants_with_unread_uses(at_most integer) returns setof uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform set_config('app.lookup', 'on', true);
  return query select h.tenant_id from audit_heads h left join decision_use_cursors c on c.tenant_id = h.tenant_id
    where h.size > coalesce(c.sequence, 0) order by h.size - coalesce(c.sequence, 0) desc limit at_most;
  perform set_config('app.lookup', '', true);
end $$;
revoke all on function find_tenants_with_unread_uses from public;
grant execute on function find_tenants_with_unread_uses to agent_iam_tenant;

-- A draft that is evaluated beside the policies in force, as it was when that began, and what it would have changed. Another
-- `run` is another count.
create table policy_shadows (
  tenant_id uuid not null references tenants,
  policy_id uuid not null,
  run uuid not null,
  version integer not null,
  name text not null,
  effect text not null check (effect in ('permit', 'forbid')),
  cedar text not null,
  started_by text not null,
  started_at timestamptz not null,
  evaluated bigint not null default 0,
  allow_to_deny bigint not null default 0,
  deny_to_allow bigint not null default 0,
  erred bigint not null default 0,
  dropped bigint not null default 0,
  primary key (tenant_id, policy_id),
  foreign key (tenant_id, policy_id) references policy_documents on delete cascade
);
call confine_to_tenant('policy_shadows');
grant select, insert, update, delete on policy_shadows to agent_iam_tenant;

create table policy_shadow_examples (
  tenant_id uuid not null,
  policy_id uuid not null,
  decision_id uuid not null,
  at timestamptz not null,
  identity text not null,
  action text not null,
  resource text not null,
  live text not null check (live in ('allow', 'deny')),
  would text not null check (would in ('allow', 'deny')),
  primary key (tenant_id, policy_id, decision_id),
  foreign key (tenant_id, policy_id) references policy_shadows on delete cascade
);
call confine_to_tenant('policy_shadow_examples');
grant select, insert, delete on policy_shadow_examples to agent_iam_tenant;

-- Instances hold the shadows of a tenant as they hold its policies: for as long as the version is the present one.
create trigger raise_definitions_version after insert or delete on policy_shadows
  for each row execute function raise_definitions_version();
