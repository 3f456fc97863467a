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

-- All that a decision rests on, in one statement and so of one moment. A function, because its plan is kept by the
-- session: planning it anew costs five times what running it does.
create function read_facts(wanted uuid, session uuid, at timestamptz)
  returns table (epoch bigint, policies_version bigint, kind text, id uuid, name text, type text, status text,
    expires_at timestamptz, trust_score numeric, trust_basis text, owner_kind text, owner_id uuid, grants text[],
    roles text[], session_alive boolean)
  language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  return query
    select h.epoch, coalesce(v.version, 0),
      i.kind, i.id, i.name, i.type, i.status, i.expires_at, i.trust_score, i.trust_basis, i.owner_kind, i.owner_id,
      array(select g.entry from capability_grants g where g.tenant_id = h.tenant_id and g.identity_id = i.id
        and (g.expires_at is null or g.expires_at > at)),
      array(select r.role from role_assignments r where r.tenant_id = h.tenant_id and r.identity_id = i.id),
      (select s.ended_at is null and s.expires_at > at and c.status = 'active'
        from sessions s join identities c on c.tenant_id = s.tenant_id and c.id = s.identity_id
        where s.tenant_id = h.tenant_id and s.id = session)
    from audit_heads h
      left join policy_versions v on v.tenant_id = h.tenant_id
      left join identities i on i.tenant_id = h.tenant_id and i.id = wanted
    where h.tenant_id = app_tenant();
end $$;
