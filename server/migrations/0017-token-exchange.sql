-- Who acts in a session for its subject, who began first: the chain of RFC 8693, from our own records. A session that
-- was begun with another's token lives no longer than that one, and no longer than each of its actors may act.
alter table sessions add column actors text[] not null default '{}';

create function session_lineage_lives(first uuid, at timestamptz) returns boolean
  language plpgsql stable set search_path = public, pg_temp as $$
begin
  return not exists (
    with recursive lineage (id, parent_id, ended_at, expires_at) as (
      select s.id, s.parent_id, s.ended_at, s.expires_at from sessions s where s.tenant_id = app_tenant() and s.id = first
      union
      select s.id, s.parent_id, s.ended_at, s.expires_at
        from sessions s join lineage l on s.id = l.parent_id where s.tenant_id = app_tenant())
    select from lineage where ended_at is not null or expires_at <= at);
end $$;

create function session_actors_act(actors text[], at timestamptz) returns boolean
  language plpgsql stable set search_path = public, pg_temp as $$
begin
  return not exists (
    select from unnest(actors) actor
      left join identities i on i.tenant_id = app_tenant() and i.id = substr(actor, 5)::uuid
      where i.status is distinct from 'active' or i.expires_at <= at);
end $$;

-- A session with all that its use rests on: whose it is, what it is narrowed and bound to, and whether its chain lives.
create function read_session(wanted uuid, at timestamptz)
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
        and (s.actors = '{}' or session_actors_act(s.actors, at)),
      i.kind, i.status, i.expires_at
    from sessions s join identities i on i.tenant_id = s.tenant_id and i.id = s.identity_id
    where s.tenant_id = app_tenant() and s.id = wanted;
end $$;

-- The release before, which may still run beside this one, knows neither scope nor binding nor chain: what has one is no
-- session to it, rather than one that may do everything.
create or replace function read_session(wanted uuid)
  returns table (id uuid, identity_id uuid, started_at timestamptz, expires_at timestamptz, ended_at timestamptz,
    kind text, status text, identity_expires_at timestamptz)
  language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  return query
    select s.id, s.identity_id, s.started_at, s.expires_at, s.ended_at, i.kind, i.status, i.expires_at
    from sessions s join identities i on i.tenant_id = s.tenant_id and i.id = s.identity_id
    where s.tenant_id = app_tenant() and s.id = wanted
      and s.scope is null and s.confirmation is null and s.parent_id is null and s.actors = '{}';
end $$;

-- As before, with the session's scope, on which a decision rests too; and its lineage and actors count.
drop function read_facts(uuid, uuid, timestamptz);
create function read_facts(wanted uuid, session uuid, at timestamptz)
  returns table (epoch bigint, policies_version bigint, kind text, id uuid, name text, type text, status text,
    expires_at timestamptz, trust_score numeric, trust_basis text, owner_kind text, owner_id uuid, grants text[],
    roles text[], session_alive boolean, session_scope text[])
  language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  return query
    select h.epoch, coalesce(v.version, 0),
      i.kind, i.id, i.name, i.type, i.status, i.expires_at, i.trust_score, i.trust_basis, i.owner_kind, i.owner_id,
      array(select g.entry from capability_grants g where g.tenant_id = h.tenant_id and g.identity_id = i.id
        and (g.expires_at is null or g.expires_at > at)),
      array(select r.role from role_assignments r where r.tenant_id = h.tenant_id and r.identity_id = i.id),
      s.ended_at is null and s.expires_at > at and c.status = 'active'
        and (s.parent_id is null or session_lineage_lives(s.parent_id, at))
        and (s.actors = '{}' or session_actors_act(s.actors, at)),
      s.scope
    from audit_heads h
      left join policy_versions v on v.tenant_id = h.tenant_id
      left join identities i on i.tenant_id = h.tenant_id and i.id = wanted
      left join sessions s on s.tenant_id = h.tenant_id and s.id = session
      left join identities c on c.tenant_id = s.tenant_id and c.id = s.identity_id
    where h.tenant_id = app_tenant();
end $$;
