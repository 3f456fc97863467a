-- What delegated authority rests on (DESIGN D6). source_session: the session of an OAuth client, of an API key or of a
-- token exchange by which something was created; it ends with that session. source_identity: the agent that granted
-- something; the grant ends with it. Null: made from rights of one's own, so it stands by itself.
create function app_source_session() returns uuid language sql stable set search_path = public, pg_temp as $$
  select nullif(current_setting('app.source_session', true), '')::uuid
$$;
-- The default, so that no statement can forget it. It is null for everything that is there already.
alter table capability_grants add column source_session uuid, add column source_identity uuid;
alter table capability_grants alter column source_session set default app_source_session();
alter table role_assignments add column source_session uuid;
alter table role_assignments alter column source_session set default app_source_session();
alter table identities add column source_session uuid;
alter table identities alter column source_session set default app_source_session();
alter table service_secrets add column source_session uuid;
alter table service_secrets alter column source_session set default app_source_session();
alter table service_keys add column source_session uuid;
alter table service_keys alter column source_session set default app_source_session();
alter table certificates add column source_session uuid;
alter table certificates alter column source_session set default app_source_session();
alter table enrolment_tokens add column source_session uuid;
alter table enrolment_tokens alter column source_session set default app_source_session();
alter table oauth_clients add column source_session uuid;
alter table oauth_clients alter column source_session set default app_source_session();
alter table invitations add column source_session uuid;
alter table invitations alter column source_session set default app_source_session();

alter table sessions add column source_session uuid;
alter table sessions alter column source_session set default app_source_session();

-- With whose authority a session of another identity's credential acts: who made the API key or the client secret.
alter table sessions add column delegator_id uuid;
-- Row security binds the owner of the tables too; this is for all tenants.
alter table sessions no force row level security;
alter table api_keys no force row level security;
alter table api_key_secrets no force row level security;
update sessions s set delegator_id = k.owner_id
  from api_key_secrets x join api_keys k on k.tenant_id = x.tenant_id and k.id = x.api_key_id
  where s.tenant_id = x.tenant_id and s.id = x.session_id and k.owner_id <> k.identity_id;
alter table sessions force row level security;
alter table api_keys force row level security;
alter table api_key_secrets force row level security;

-- Whether the session by which something was created still gives authority. An API key counts as long as the key does:
-- a rotation replaces its secret and session, not the key.
create function source_lives(wanted uuid, at timestamptz) returns boolean
  language plpgsql stable set search_path = public, pg_temp as $$
declare
  source record;
begin
  select s.identity_id, s.method, s.parent_id, s.actors, s.delegator_id, s.metadata ->> 'apiKeyId' as api_key
    into source
    from sessions s where s.tenant_id = app_tenant() and s.id = wanted;
  if not found or not identity_acts(source.identity_id, at) then return false; end if;
  if source.actors <> '{}' and not session_actors_act(source.actors, at) then return false; end if;
  if source.method is distinct from 'api-key' then return session_lineage_lives(wanted, at); end if;
  -- NOTE: of the delegator only its own row, not its chain, which may lead back here.
  return (source.parent_id is null or session_lineage_lives(source.parent_id, at))
    and (source.delegator_id is null or exists (select from identities d where d.tenant_id = app_tenant()
      and d.id = source.delegator_id and d.status = 'active' and (d.expires_at is null or d.expires_at > at)))
    and exists (select from api_keys k where k.tenant_id = app_tenant() and k.id = substr(source.api_key, 5)::uuid
      and k.status = 'active' and k.expires_at > at);
end $$;

-- As before; and an identity that was created by a session ends with it.
create or replace function identity_acts(first uuid, at timestamptz) returns boolean
  language plpgsql stable set search_path = public, pg_temp as $$
declare
  present uuid := first;
  identity record;
begin
  for depth in 0..10 loop
    select i.status, i.expires_at, i.parent_id, i.source_session into identity
      from identities i where i.tenant_id = app_tenant() and i.id = present;
    if identity.status is distinct from 'active' or identity.expires_at <= at then return false; end if;
    if identity.source_session is not null and not source_lives(identity.source_session, at) then return false; end if;
    if identity.parent_id is null then return true; end if;
    present := identity.parent_id;
  end loop;
  return false;
end $$;

-- A session with all that its use rests on, as before; and whether what its identity was created by lives, and who
-- delegated to it acts.
drop function read_live_session(uuid, timestamptz);
create function read_live_session(wanted uuid, at timestamptz)
  returns table (id uuid, identity_id uuid, started_at timestamptz, expires_at timestamptz, ended_at timestamptz,
    method text, client_id text, scope text[], attenuation text, confirmation jsonb, metadata jsonb, actors text[],
    chain_lives boolean, tenant_acts boolean, kind text, status text, identity_expires_at timestamptz,
    delegator_kind text, delegator_id uuid, source_session uuid)
  language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  return query
    select s.id, s.identity_id, s.started_at, s.expires_at, s.ended_at, s.method, s.client_id, s.scope, s.attenuation,
      s.confirmation, s.metadata, s.actors,
      (s.parent_id is null or session_lineage_lives(s.parent_id, at))
        and (s.actors = '{}' or session_actors_act(s.actors, at))
        and (i.parent_id is null or identity_acts(i.parent_id, at))
        and (i.source_session is null or source_lives(i.source_session, at))
        and (s.delegator_id is null or identity_acts(s.delegator_id, at)),
      tenant_acts(),
      i.kind, i.status, i.expires_at,
      (select d.kind from identities d where d.tenant_id = s.tenant_id and d.id = s.delegator_id), s.delegator_id,
      s.source_session
    from sessions s join identities i on i.tenant_id = s.tenant_id and i.id = s.identity_id
    where s.tenant_id = app_tenant() and s.id = wanted;
end $$;

-- All that a decision rests on, as read_decision_grounds; `sourced` are the grants that an agent made: they count as far
-- as that agent still has what it granted, which the program compares.
create function read_decision_basis(acting uuid[], session uuid, at timestamptz)
  returns table (epoch bigint, changes bigint, policies_version bigint, definitions_version bigint, session_alive boolean,
    session_expires_at timestamptz,
    session_scope text[], session_attenuation text, place bigint, depth integer, kind text, id uuid, name text,
    type text, status text, expires_at timestamptz, trust_score numeric, trust_basis text, owner_kind text,
    owner_id uuid, parent_id uuid, lent_scope text[], lent_blocks text, grants text[], conditioned jsonb, roles text[],
    sourced jsonb, edge timestamptz)
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
        and (b.source_session is null or source_lives(b.source_session, at))
        and (s.delegator_id is null or identity_acts(s.delegator_id, at))
        and exists (select from tenants t where t.tenant_id = h.tenant_id and t.status = 'active'),
      s.expires_at, s.scope, s.attenuation,
      c.place, c.depth, i.kind, i.id, i.name, i.type,
      case when i.source_session is null or source_lives(i.source_session, at) then i.status else 'revoked' end,
      i.expires_at, i.trust_score, i.trust_basis,
      i.owner_kind, i.owner_id, i.parent_id, i.lent_scope, i.lent_blocks,
      g.plain, g.conditioned, r.roles, g.sourced, least(g.edge, r.edge)
    from audit_heads h
      left join policy_versions v on v.tenant_id = h.tenant_id
      left join sessions s on s.tenant_id = h.tenant_id and s.id = session
      left join identities b on b.tenant_id = s.tenant_id and b.id = s.identity_id
      left join unnest(ids, places, depths) as c (id, place, depth) on true
      left join identities i on i.tenant_id = h.tenant_id and i.id = c.id
      left join lateral (
        select
          coalesce(array_agg(g.entry) filter (where g.conditions is null and g.source_identity is null
            and (g.valid_from is null or g.valid_from <= at)), '{}') as plain,
          jsonb_agg(jsonb_build_object('id', g.id, 'entry', g.entry, 'conditions', g.conditions))
            filter (where g.conditions is not null and g.source_identity is null
              and (g.valid_from is null or g.valid_from <= at)) as conditioned,
          jsonb_agg(jsonb_build_object('id', g.id, 'entry', g.entry, 'conditions', g.conditions, 'source', g.source_identity))
            filter (where g.source_identity is not null and (g.valid_from is null or g.valid_from <= at)) as sourced,
          min(case when g.valid_from > at then g.valid_from else g.expires_at end) as edge
        from capability_grants g where g.tenant_id = h.tenant_id and g.identity_id = i.id
          and (g.expires_at is null or g.expires_at > at)
          and (g.source_session is null or source_lives(g.source_session, at))
          and (g.source_identity is null or identity_acts(g.source_identity, at))) g on true
      left join lateral (
        select
          coalesce(array_agg(r.role) filter (where r.valid_from is null or r.valid_from <= at), '{}') as roles,
          min(case when r.valid_from > at then r.valid_from else r.valid_until end) as edge
        from role_assignments r where r.tenant_id = h.tenant_id and r.identity_id = i.id
          and (r.valid_until is null or r.valid_until > at)
          and (r.source_session is null or source_lives(r.source_session, at))) r on true
    where h.tenant_id = app_tenant()
    order by c.place, c.depth;
end $$;

-- The release before knows no sources: to it, what an agent granted gives nothing.
create or replace function read_decision_grounds(acting uuid[], session uuid, at timestamptz)
  returns table (epoch bigint, changes bigint, policies_version bigint, definitions_version bigint, session_alive boolean,
    session_expires_at timestamptz,
    session_scope text[], session_attenuation text, place bigint, depth integer, kind text, id uuid, name text,
    type text, status text, expires_at timestamptz, trust_score numeric, trust_basis text, owner_kind text,
    owner_id uuid, parent_id uuid, lent_scope text[], lent_blocks text, grants text[], conditioned jsonb, roles text[],
    edge timestamptz)
  -- A plan made for the length of each array would look better and cost more to make than it saves.
  language plpgsql stable set search_path = public, pg_temp set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
  return query
    select f.epoch, f.changes, f.policies_version, f.definitions_version, f.session_alive, f.session_expires_at,
      f.session_scope, f.session_attenuation, f.place, f.depth, f.kind, f.id, f.name, f.type, f.status, f.expires_at,
      f.trust_score, f.trust_basis, f.owner_kind, f.owner_id, f.parent_id, f.lent_scope, f.lent_blocks, f.grants,
      f.conditioned, f.roles, f.edge
    from read_decision_basis(acting, session, at) f;
end $$;
