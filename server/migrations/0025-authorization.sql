-- Authorization (DESIGN D5): what entity data policies rest on. A tenant's own roles, conditions and times of grants and
-- assignments, resources and their types, and how far an agent must be trusted for what.

-- How often anything happened that decisions may rest on. The log itself counts, so nothing goes uncounted, whichever release
-- did it: an instance that finds the number as it was knows that what it has read still holds.
alter table audit_heads add column changes bigint not null default 0;

-- What happens all the time and gives nobody who was there before another right. What narrows raises the epoch besides.
create function is_everyday(type text) returns boolean language sql immutable as $$
  select type ~ '^((action|biscuit|decision|log|login|message|outbox|policy-engine|request|session|token)\.|agent\.(delegated|registered)$)'
$$;

create or replace function audit_append(leaves bytea[], epochs bigint[], narrows boolean)
  returns table (ordinal integer, sequence bigint, leaf_hash bytea)
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  head audit_heads;
  next_size bigint;
  next_chain bytea;
  hash bytea;
  fields jsonb;
  changed boolean := false;
begin
  select * into strict head from audit_heads where tenant_id = app_tenant() for update;
  next_size := head.size;
  next_chain := head.chain;
  for i in 1..cardinality(leaves) loop
    ordinal := i;
    sequence := null;
    leaf_hash := null;
    if epochs[i] is null or epochs[i] >= head.epoch then
      hash := sha256('\x00'::bytea || leaves[i]);
      next_chain := sha256(next_chain || hash);
      fields := convert_from(leaves[i], 'UTF8')::jsonb;
      insert into audit_events (tenant_id, sequence, at, leaf, leaf_hash, chain, event_id, type, actor, resource,
          decision, decision_id, request_id)
        values (head.tenant_id, next_size, (fields->>'at')::timestamptz, leaves[i], hash, next_chain,
          substr(fields->>'id', 5)::uuid, fields->>'type', fields->>'actor', fields->>'resource',
          fields->>'decision', substr(fields->>'decisionId', 5)::uuid, fields->>'requestId');
      sequence := next_size;
      leaf_hash := hash;
      next_size := next_size + 1;
      changed := changed or not is_everyday(fields->>'type');
    end if;
    return next;
  end loop;
  update audit_heads h
    set size = next_size, chain = next_chain, epoch = head.epoch + narrows::integer, changes = head.changes + changed::integer
    where h.tenant_id = head.tenant_id;
end $$;

-- A tenant's own role; the built-in ones are the program's. permissions: [{"entry", "conditions"?}]. inherits: roles whose
-- permissions it has too, built-in ones by name, its own by id (rol_…).
create table roles (
  tenant_id uuid not null references tenants,
  id uuid not null,
  name text not null,
  name_skeleton text not null,
  description text not null default '',
  permissions jsonb not null,
  inherits text[] not null default '{}',
  revision bigint not null default 1,
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, name_skeleton)
);
call confine_to_tenant('roles');
grant select, insert, update, delete on roles to agent_iam_tenant;

-- role: a built-in one by name, a tenant's own by id. Outside its time an assignment gives nothing.
alter table role_assignments
  add column valid_from timestamptz,
  add column valid_until timestamptz,
  add check (valid_until > valid_from);
grant update on role_assignments to agent_iam_tenant;
create index role_assignments_by_role on role_assignments (tenant_id, role);
create index role_assignments_expiring on role_assignments (valid_until, tenant_id) where valid_until is not null;

-- conditions: {"timeWindow"?, "addresses"?, "resourcePrefix"?, "quota"?}; null: none.
alter table capability_grants
  add column id uuid not null default gen_random_uuid(),
  add column conditions jsonb,
  add column valid_from timestamptz,
  add unique (tenant_id, id);

-- How much of a grant's quota is spent, per hour and day of UTC: the row is held while it is counted, so no two instances
-- spend the same. Rows of time past are swept.
create table grant_uses (
  tenant_id uuid not null references tenants,
  grant_id uuid not null,
  period text not null check (period in ('hour', 'day')),
  starts_at timestamptz not null,
  used bigint not null,
  primary key (tenant_id, grant_id, period, starts_at)
);
call confine_to_tenant('grant_uses');
grant select, insert, update, delete on grant_uses to agent_iam_tenant;
create index grant_uses_by_start on grant_uses (tenant_id, starts_at);

-- A kind of resource that a tenant declares. attributes: name → a type in Cedar's JSON spelling.
-- actions: [{"name", "risk": "low" | "medium" | "high" | "critical", "description"}].
create table resource_types (
  tenant_id uuid not null references tenants,
  name text not null,
  description text not null default '',
  attributes jsonb not null default '{}',
  actions jsonb not null default '[]',
  revision bigint not null default 1,
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, name)
);
call confine_to_tenant('resource_types');
grant select, insert, update, delete on resource_types to agent_iam_tenant;

-- What a tenant tells of its resources. attributes are in Cedar's JSON spelling; labels say how sensitive it is (pii, phi, …).
create table resources (
  tenant_id uuid not null,
  type text not null,
  id text not null,
  owner_kind text check (owner_kind in ('user', 'service', 'agent')),
  owner_id uuid,
  parent_type text,
  parent_id text,
  attributes jsonb not null default '{}',
  labels text[] not null default '{}',
  revision bigint not null default 1,
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, type, id),
  foreign key (tenant_id, type) references resource_types (tenant_id, name),
  foreign key (tenant_id, parent_type, parent_id) references resources (tenant_id, type, id),
  foreign key (tenant_id, owner_id) references identities (tenant_id, id),
  check ((owner_id is null) = (owner_kind is null)),
  check ((parent_id is null) = (parent_type is null))
);
call confine_to_tenant('resources');
grant select, insert, update, delete on resources to agent_iam_tenant;
create index resources_by_parent on resources (tenant_id, parent_type, parent_id) where parent_id is not null;
create index resources_by_owner on resources (tenant_id, owner_id) where owner_id is not null;

-- The least trust score that an agent needs, by the resource's labels and by the action's risk.
create table trust_thresholds (
  tenant_id uuid primary key references tenants,
  by_label jsonb not null default '{}',
  by_risk jsonb not null default '{}',
  revision bigint not null default 1,
  updated_by text not null,
  updated_at timestamptz not null
);
call confine_to_tenant('trust_thresholds');
grant select, insert, update on trust_thresholds to agent_iam_tenant;

-- Roles, types and thresholds are held by instances for as long as this number is the present one, as policies are for as
-- long as the version beside it is. A trigger, so that no change can forget to raise it.
alter table policy_versions add column definitions bigint not null default 0;
create function raise_definitions_version() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  insert into policy_versions (tenant_id, version, definitions) values (coalesce(new.tenant_id, old.tenant_id), 0, 1)
    on conflict (tenant_id) do update set definitions = policy_versions.definitions + 1;
  return null;
end $$;
create trigger raise_definitions_version after insert or update or delete on roles
  for each row execute function raise_definitions_version();
create trigger raise_definitions_version after insert or update or delete on resource_types
  for each row execute function raise_definitions_version();
create trigger raise_definitions_version after insert or update on trust_thresholds
  for each row execute function raise_definitions_version();

-- A resource that is registered, and those above it, the nearest first; nobody lies deeper than ten. With the epoch that
-- they were read under. No row: the tenant has no log; null type: it is not registered.
create function read_resource_facts(wanted_type text, wanted_id text)
  returns table (epoch bigint, changes bigint, depth integer, type text, id text, owner_kind text, owner_id uuid, attributes jsonb,
    labels text[])
  language plpgsql stable set search_path = public, pg_temp set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
  return query
    with recursive above as (
      select 0 as depth, r.type, r.id, r.owner_kind, r.owner_id, r.attributes, r.labels, r.parent_type, r.parent_id
        from resources r where r.tenant_id = app_tenant() and r.type = wanted_type and r.id = wanted_id
      union all
      select a.depth + 1, r.type, r.id, r.owner_kind, r.owner_id, r.attributes, r.labels, r.parent_type, r.parent_id
        from above a join resources r
          on r.tenant_id = app_tenant() and r.type = a.parent_type and r.id = a.parent_id
        where a.depth < 10
    )
    select h.epoch, h.changes, a.depth, a.type, a.id, a.owner_kind, a.owner_id, a.attributes, a.labels
      from audit_heads h left join above a on true
      where h.tenant_id = app_tenant() order by a.depth;
end $$;

-- What read_decision_facts tells, and: of grants with conditions or a beginning only those that have begun, apart and with
-- their conditions; of roles only those of the moment; and `edge`, the next instant at which time alone changes any of it.
create function read_decision_grounds(acting uuid[], session uuid, at timestamptz)
  returns table (epoch bigint, changes bigint, policies_version bigint, definitions_version bigint, session_alive boolean,
    session_expires_at timestamptz,
    session_scope text[], session_attenuation text, place bigint, depth integer, kind text, id uuid, name text,
    type text, status text, expires_at timestamptz, trust_score numeric, trust_basis text, owner_kind text,
    owner_id uuid, parent_id uuid, lent_scope text[], lent_blocks text, grants text[], conditioned jsonb, roles text[],
    edge timestamptz)
  -- A plan made for the length of each array would look better and cost more to make than it saves.
  language plpgsql stable set search_path = public, pg_temp set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  ids uuid[] := '{}';
  places bigint[] := '{}';
  depths integer[] := '{}';
  present uuid;
  above uuid;
begin
  -- A loop, not a recursive query: most have no parent, and this then costs a look at one index.
  for n in 1..cardinality(acting) loop
    present := acting[n];
    -- One more than a chain may be long, so that a longer one is seen.
    for far in 0..11 loop
      select i.parent_id into above from identities i where i.tenant_id = app_tenant() and i.id = present;
      exit when not found;
      ids := ids || present;
      places := places || n::bigint;
      depths := depths || far;
      exit when above is null;
      present := above;
    end loop;
  end loop;
  return query
    select h.epoch, h.changes, coalesce(v.version, 0), coalesce(v.definitions, 0),
      s.ended_at is null and s.expires_at > at and b.status = 'active' and (b.expires_at is null or b.expires_at > at)
        and (s.parent_id is null or session_lineage_lives(s.parent_id, at))
        and (s.actors = '{}' or session_actors_act(s.actors, at))
        and (b.parent_id is null or identity_acts(b.parent_id, at))
        and exists (select from tenants t where t.tenant_id = h.tenant_id and t.status = 'active'),
      s.expires_at, s.scope, s.attenuation,
      c.place, c.depth, i.kind, i.id, i.name, i.type, i.status, i.expires_at, i.trust_score, i.trust_basis,
      i.owner_kind, i.owner_id, i.parent_id, i.lent_scope, i.lent_blocks,
      g.plain, g.conditioned, r.roles, least(g.edge, r.edge)
    from audit_heads h
      left join policy_versions v on v.tenant_id = h.tenant_id
      left join sessions s on s.tenant_id = h.tenant_id and s.id = session
      left join identities b on b.tenant_id = s.tenant_id and b.id = s.identity_id
      left join unnest(ids, places, depths) as c (id, place, depth) on true
      left join identities i on i.tenant_id = h.tenant_id and i.id = c.id
      left join lateral (
        select
          coalesce(array_agg(g.entry) filter (where g.conditions is null and (g.valid_from is null or g.valid_from <= at)), '{}') as plain,
          jsonb_agg(jsonb_build_object('id', g.id, 'entry', g.entry, 'conditions', g.conditions))
            filter (where g.conditions is not null and (g.valid_from is null or g.valid_from <= at)) as conditioned,
          min(case when g.valid_from > at then g.valid_from else g.expires_at end) as edge
        from capability_grants g where g.tenant_id = h.tenant_id and g.identity_id = i.id
          and (g.expires_at is null or g.expires_at > at)) g on true
      left join lateral (
        select
          coalesce(array_agg(r.role) filter (where r.valid_from is null or r.valid_from <= at), '{}') as roles,
          min(case when r.valid_from > at then r.valid_from else r.valid_until end) as edge
        from role_assignments r where r.tenant_id = h.tenant_id and r.identity_id = i.id
          and (r.valid_until is null or r.valid_until > at)) r on true
    where h.tenant_id = app_tenant()
    order by c.place, c.depth;
end $$;

-- The release before knows neither conditions nor times: to it, what has any gives nothing.
create or replace function read_decision_facts(acting uuid[], session uuid, at timestamptz)
  returns table (epoch bigint, policies_version bigint, session_alive boolean, session_scope text[],
    session_attenuation text, place bigint, depth integer, kind text, id uuid, name text, type text, status text,
    expires_at timestamptz, trust_score numeric, trust_basis text, owner_kind text, owner_id uuid, parent_id uuid,
    lent_scope text[], lent_blocks text, grants text[], roles text[])
  language plpgsql stable set search_path = public, pg_temp set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
  return query
    select f.epoch, f.policies_version, f.session_alive, f.session_scope, f.session_attenuation, f.place, f.depth,
      f.kind, f.id, f.name, f.type, f.status, f.expires_at, f.trust_score, f.trust_basis, f.owner_kind, f.owner_id,
      f.parent_id, f.lent_scope, f.lent_blocks, f.grants, f.roles
    from read_decision_grounds(acting, session, at) f;
end $$;

-- As before, and assignments of roles that have run out. The release before finds nothing to do for them.
create or replace function find_tenants_with_expired(at timestamptz, after uuid, at_most integer)
  returns table (tenant_id uuid, kinds text[])
  language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  perform set_config('app.lookup', 'on', true);
  return query
    select due.tenant_id, array_agg(due.kind) from (
      select s.tenant_id, 'settling' as kind from settling s
      union select i.tenant_id, 'agents' from identities i
        where i.expires_at <= at and i.expires_at is not null and i.kind = 'agent'
          and i.status in ('pending', 'active', 'suspended')
      union select g.tenant_id, 'grants' from capability_grants g where g.expires_at <= at and g.expires_at is not null
      union select s.tenant_id, 'sessions' from sessions s where s.expires_at <= at and s.ended_at is null
      union select k.tenant_id, 'agent-keys' from agent_keys k where k.expires_at <= at and k.status = 'retiring'
      union select k.tenant_id, 'api-keys' from api_keys k
        where k.expires_at <= at and k.expired_at is null and k.status <> 'deleted'
      union select s.tenant_id, 'secrets' from service_secrets s
        where s.expires_at <= at and s.expired_at is null and s.deleted_at is null
      union select c.tenant_id, 'certificates' from certificates c where c.not_after <= at
      union select e.tenant_id, 'enrolment-tokens' from enrolment_tokens e
        where e.expires_at <= at and e.expired_at is null and e.revoked_at is null
      union select r.tenant_id, 'roles' from role_assignments r where r.valid_until <= at and r.valid_until is not null
    ) due where due.tenant_id > after group by due.tenant_id order by due.tenant_id limit at_most;
  perform set_config('app.lookup', '', true);
end $$;
