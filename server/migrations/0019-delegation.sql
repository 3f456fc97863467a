-- Delegation (DESIGN D6): a parent lends authority to the agents it made, and they to theirs. parent_id is the one record
-- of that; every look at an identity's rights, or at a session of its, walks from it to the root.
-- lent_scope and lent_blocks are the narrowing of the token that an identity was made with: capability entries, and a
-- Biscuit whose blocks are evaluated. They bind it, and all that descends from it, for good.
-- revision counts the changes, for ETags. successor_id takes over a person's agents when the person leaves.
alter table identities
  add column parent_kind text check (parent_kind in ('user', 'service', 'agent')),
  add column lent_scope text[],
  add column lent_blocks text,
  add column task_id text,
  add column task_scope text,
  add column tags text[] not null default '{}',
  add column successor_id uuid,
  add column revision bigint not null default 1,
  add foreign key (tenant_id, successor_id) references identities (tenant_id, id),
  add check ((parent_id is null) = (parent_kind is null)),
  add check (parent_id is null or kind = 'agent'),
  add check (parent_id <> id),
  add check (successor_id <> id);
create index identities_by_parent on identities (tenant_id, parent_id) where parent_id is not null;
-- Roots are told apart by name in the whole tenant; children among the living of their parent.
create unique index identities_child_name on identities (tenant_id, parent_id, name_skeleton)
  where parent_id is not null and status in ('pending', 'active', 'suspended');

-- Whatever is told of an identity is another after this; a login's note of last_activity is not told of so exactly.
create function raise_revision() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  new.revision := old.revision + 1;
  return new;
end $$;
create trigger raise_revision before update of name, type, status, email, owner_kind, owner_id, parent_id, parent_kind,
    trust_score, trust_basis, labels, metadata, tags, expires_at, successor_id, updated_at on identities
  for each row execute function raise_revision();

-- A Biscuit with blocks that the session was narrowed by: evaluated with each use of the session.
alter table sessions add column attenuation text;

-- Whether an identity and all who lend it authority may act. Nobody is deeper than ten below a root.
create function identity_acts(first uuid, at timestamptz) returns boolean
  language plpgsql stable set search_path = public, pg_temp as $$
declare
  present uuid := first;
  identity record;
begin
  for depth in 0..10 loop
    select i.status, i.expires_at, i.parent_id into identity
      from identities i where i.tenant_id = app_tenant() and i.id = present;
    if identity.status is distinct from 'active' or identity.expires_at <= at then return false; end if;
    if identity.parent_id is null then return true; end if;
    present := identity.parent_id;
  end loop;
  return false;
end $$;

create or replace function session_actors_act(actors text[], at timestamptz) returns boolean
  language plpgsql stable set search_path = public, pg_temp as $$
begin
  return not exists (select from unnest(actors) actor where not identity_acts(substr(actor, 5)::uuid, at));
end $$;

create function tenant_acts() returns boolean
  language plpgsql stable set search_path = public, pg_temp as $$
begin
  return exists (select from tenants t where t.tenant_id = app_tenant() and t.status = 'active');
end $$;

-- A session with all that its use rests on: whose it is, what it is narrowed and bound to, whether its tenant acts, and
-- whether all that it was lent through does: the sessions it was begun with, its actors, its identity's parents.
create function read_live_session(wanted uuid, at timestamptz)
  returns table (id uuid, identity_id uuid, started_at timestamptz, expires_at timestamptz, ended_at timestamptz,
    method text, client_id text, scope text[], attenuation text, confirmation jsonb, metadata jsonb, actors text[],
    chain_lives boolean, tenant_acts boolean, kind text, status text, identity_expires_at timestamptz)
  language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  return query
    select s.id, s.identity_id, s.started_at, s.expires_at, s.ended_at, s.method, s.client_id, s.scope, s.attenuation,
      s.confirmation, s.metadata, s.actors,
      (s.parent_id is null or session_lineage_lives(s.parent_id, at))
        and (s.actors = '{}' or session_actors_act(s.actors, at))
        and (i.parent_id is null or identity_acts(i.parent_id, at)),
      tenant_acts(),
      i.kind, i.status, i.expires_at
    from sessions s join identities i on i.tenant_id = s.tenant_id and i.id = s.identity_id
    where s.tenant_id = app_tenant() and s.id = wanted;
end $$;

-- All that a decision rests on, in one statement and so of one moment. acting are those whose rights are intersected,
-- who acts first; with each come those who lend it authority, the nearest first. One row at least: the log's head.
create function read_decision_facts(acting uuid[], session uuid, at timestamptz)
  returns table (epoch bigint, policies_version bigint, session_alive boolean, session_scope text[],
    session_attenuation text, place bigint, depth integer, kind text, id uuid, name text, type text, status text,
    expires_at timestamptz, trust_score numeric, trust_basis text, owner_kind text, owner_id uuid, parent_id uuid,
    lent_scope text[], lent_blocks text, grants text[], roles text[])
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
    select h.epoch, coalesce(v.version, 0),
      s.ended_at is null and s.expires_at > at and b.status = 'active' and (b.expires_at is null or b.expires_at > at)
        and (s.parent_id is null or session_lineage_lives(s.parent_id, at))
        and (s.actors = '{}' or session_actors_act(s.actors, at))
        and (b.parent_id is null or identity_acts(b.parent_id, at))
        and exists (select from tenants t where t.tenant_id = h.tenant_id and t.status = 'active'),
      s.scope, s.attenuation,
      c.place, c.depth, i.kind, i.id, i.name, i.type, i.status, i.expires_at, i.trust_score, i.trust_basis,
      i.owner_kind, i.owner_id, i.parent_id, i.lent_scope, i.lent_blocks,
      array(select g.entry from capability_grants g where g.tenant_id = h.tenant_id and g.identity_id = i.id
        and (g.expires_at is null or g.expires_at > at)),
      array(select r.role from role_assignments r where r.tenant_id = h.tenant_id and r.identity_id = i.id)
    from audit_heads h
      left join policy_versions v on v.tenant_id = h.tenant_id
      left join sessions s on s.tenant_id = h.tenant_id and s.id = session
      left join identities b on b.tenant_id = s.tenant_id and b.id = s.identity_id
      left join unnest(ids, places, depths) as c (id, place, depth) on true
      left join identities i on i.tenant_id = h.tenant_id and i.id = c.id
    where h.tenant_id = app_tenant()
    order by c.place, c.depth;
end $$;

-- The release before, which may still run beside this one, intersects nothing: to it, who has a parent may not act, and
-- what is attenuated, or lent for this API, is no session.
create or replace function read_session(wanted uuid, at timestamptz)
  returns table (id uuid, identity_id uuid, started_at timestamptz, expires_at timestamptz, ended_at timestamptz,
    method text, client_id text, scope text[], confirmation jsonb, metadata jsonb, actors text[], chain_lives boolean,
    kind text, status text, identity_expires_at timestamptz)
  language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  return query
    select s.id, s.identity_id, s.started_at, s.expires_at, s.ended_at, s.method, s.client_id, s.scope, s.confirmation,
      s.metadata, s.actors,
      (s.parent_id is null or session_lineage_lives(s.parent_id, at))
        and (s.actors = '{}' or session_actors_act(s.actors, at)) and tenant_acts(),
      i.kind, i.status, i.expires_at
    from sessions s join identities i on i.tenant_id = s.tenant_id and i.id = s.identity_id
    where s.tenant_id = app_tenant() and s.id = wanted
      and i.parent_id is null and s.attenuation is null and (s.actors = '{}' or s.metadata ? 'audience');
end $$;

create or replace function read_facts(wanted uuid, session uuid, at timestamptz)
  returns table (epoch bigint, policies_version bigint, kind text, id uuid, name text, type text, status text,
    expires_at timestamptz, trust_score numeric, trust_basis text, owner_kind text, owner_id uuid, grants text[],
    roles text[], session_alive boolean, session_scope text[])
  language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  return query
    select h.epoch, coalesce(v.version, 0), i.kind, i.id, i.name, i.type,
      case when i.parent_id is null then i.status else 'pending' end,
      i.expires_at, i.trust_score, i.trust_basis, i.owner_kind, i.owner_id,
      array(select g.entry from capability_grants g where g.tenant_id = h.tenant_id and g.identity_id = i.id
        and (g.expires_at is null or g.expires_at > at)),
      array(select r.role from role_assignments r where r.tenant_id = h.tenant_id and r.identity_id = i.id),
      s.ended_at is null and s.expires_at > at and c.status = 'active' and c.parent_id is null
        and s.attenuation is null and (s.actors = '{}' or s.metadata ? 'audience')
        and (s.parent_id is null or session_lineage_lives(s.parent_id, at))
        and (s.actors = '{}' or session_actors_act(s.actors, at))
        and tenant_acts(),
      s.scope
    from audit_heads h
      left join policy_versions v on v.tenant_id = h.tenant_id
      left join identities i on i.tenant_id = h.tenant_id and i.id = wanted
      left join sessions s on s.tenant_id = h.tenant_id and s.id = session
      left join identities c on c.tenant_id = s.tenant_id and c.id = s.identity_id
    where h.tenant_id = app_tenant();
end $$;
