create table policies (
  tenant_id uuid not null references tenants,
  id uuid not null,
  name text not null,
  description text not null,
  effect text not null check (effect in ('permit', 'forbid')),
  cedar text not null,
  created_by text not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, name)
);
call confine_to_tenant('policies');
grant select, insert, delete on policies to agent_iam_tenant;

-- Counts the changes of a tenant's policy set, so that an instance knows whether the set it holds is the present one.
create table policy_versions (
  tenant_id uuid primary key references tenants,
  version bigint not null
);
call confine_to_tenant('policy_versions');
grant select, insert, update on policy_versions to agent_iam_tenant;

-- One report a decision: the primary key sees to it.
create table decision_results (
  tenant_id uuid not null references tenants,
  decision_id uuid not null,
  reported_at timestamptz not null,
  primary key (tenant_id, decision_id)
);
call confine_to_tenant('decision_results');
grant select, insert on decision_results to agent_iam_tenant;

-- Links that make their holder the administrator. They belong to the platform's tenant.
create table setup_links (
  tenant_id uuid not null references tenants,
  digest bytea not null unique,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  primary key (tenant_id, digest)
);
call confine_to_tenant('setup_links');
grant select, insert, update on setup_links to agent_iam_tenant;
