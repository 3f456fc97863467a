-- What is published for who verifies offline knows sources as well (0043): a session is stopped with who delegates to its
-- credential, and with the session that created its identity.
create or replace function read_status_list(wanted uuid, at timestamptz)
  returns table (invalid integer[], suspended integer[])
  language plpgsql stable set search_path = public, pg_temp
  set work_mem = '32MB' set jit = off set enable_mergejoin = off as $$
#variable_conflict use_column
begin
  return query
    with recursive
      listed as materialized (
        select e.idx, s.id is null or s.ended_at is not null or s.expires_at <= at
              or i.status in ('revoked', 'deleted') or coalesce(i.expires_at <= at, false) as is_over,
            i.status <> 'active' or not coalesce(i.source_session is null or source_lives(i.source_session, at), true)
              as is_stopped,
            s.parent_id as session_parent, i.parent_id as lender, nullif(s.actors, '{}') as actors, s.delegator_id as delegator
          from status_entries e
            left join sessions s on s.tenant_id = e.tenant_id and s.id = e.session_id
            left join identities i on i.tenant_id = s.tenant_id and i.id = s.identity_id
          where e.tenant_id = app_tenant() and e.list_id = wanted),
      lineage (id, parent_id, is_over) as (
        select s.id, s.parent_id, s.ended_at is not null or s.expires_at <= at
          from (select distinct session_parent from listed where session_parent is not null and not is_over) l
            join sessions s on s.tenant_id = app_tenant() and s.id = l.session_parent
        union
        select s.id, s.parent_id, s.ended_at is not null or s.expires_at <= at
          from lineage l join sessions s on s.tenant_id = app_tenant() and s.id = l.parent_id),
      sessions_over (id) as (
        select id from lineage where is_over
        union
        select l.id from sessions_over o join lineage l on l.parent_id = o.id),
      others as materialized (
        select idx, lender as id from listed where lender is not null and not is_over
        union all
        select idx, substr(unnest(actors), 5)::uuid from listed where actors is not null and not is_over
        union all
        select idx, delegator from listed where delegator is not null and not is_over),
      chain (id, parent_id, is_stopped, is_over) as (
        select i.id, i.parent_id, i.status <> 'active' or coalesce(i.expires_at <= at, false)
              or (i.source_session is not null and not source_lives(i.source_session, at)),
            i.status in ('revoked', 'deleted') or coalesce(i.expires_at <= at, false)
          from (select distinct id from others) o join identities i on i.tenant_id = app_tenant() and i.id = o.id
        union
        select i.id, i.parent_id, i.status <> 'active' or coalesce(i.expires_at <= at, false)
              or (i.source_session is not null and not source_lives(i.source_session, at)),
            i.status in ('revoked', 'deleted') or coalesce(i.expires_at <= at, false)
          from (select distinct parent_id from chain) c
            join identities i on i.tenant_id = app_tenant() and i.id = c.parent_id),
      stopped (id, is_over) as (
        select id, is_over from chain where is_stopped
        union
        select c.id, s.is_over from stopped s join chain c on c.parent_id = s.id),
      told (idx, is_over) as (
        select idx, is_over from listed where is_over or is_stopped
        union all
        select l.idx, true from listed l join sessions_over o on o.id = l.session_parent
        union all
        select o.idx, s.is_over from others o join stopped s on s.id = o.id
        union all
        select idx, false from listed where not tenant_acts()),
      statuses as (
        select idx, bool_or(is_over) as is_over from told group by idx)
    select coalesce(array_agg(idx) filter (where is_over), '{}'),
      coalesce(array_agg(idx) filter (where not is_over), '{}')
    from statuses;
end $$;

create or replace function list_revoked_biscuits(at timestamptz) returns setof bytea
  language plpgsql stable set search_path = public, pg_temp as $$
begin
  return query
    with recursive live as materialized (
      select b.revocation_id, s.id, s.identity_id, s.actors, s.delegator_id
        from biscuits b join sessions s on s.tenant_id = b.tenant_id and s.id = b.session_id
        where b.tenant_id = app_tenant() and b.expires_at > at),
    lineage (id, parent_id, ends) as (
      select s.id, s.parent_id, s.ended_at is not null or s.expires_at <= at
        from sessions s join live l on s.tenant_id = app_tenant() and s.id = l.id
      union
      select s.id, s.parent_id, s.ended_at is not null or s.expires_at <= at
        from sessions s join lineage l on s.tenant_id = app_tenant() and s.id = l.parent_id),
    ended (id) as (
      select l.id from lineage l where l.ends
      union
      select l.id from lineage l join ended e on l.parent_id = e.id),
    acting (id) as (
      select l.identity_id from live l
      union
      select substr(actor, 5)::uuid from live l, unnest(l.actors) actor
      union
      select l.delegator_id from live l where l.delegator_id is not null),
    chain (id, parent_id, stops) as (
      select i.id, i.parent_id, i.status <> 'active' or coalesce(i.expires_at <= at, false)
          or (i.source_session is not null and not source_lives(i.source_session, at))
        from identities i join acting a on i.tenant_id = app_tenant() and i.id = a.id
      union
      select i.id, i.parent_id, i.status <> 'active' or coalesce(i.expires_at <= at, false)
          or (i.source_session is not null and not source_lives(i.source_session, at))
        from identities i join chain c on i.tenant_id = app_tenant() and i.id = c.parent_id),
    stopped (id) as (
      select c.id from chain c where c.stops
      union
      select c.id from chain c join stopped p on c.parent_id = p.id)
    select l.revocation_id from live l
      where l.id in (select e.id from ended e)
        or l.identity_id in (select p.id from stopped p)
        or l.delegator_id in (select p.id from stopped p)
        or exists (select from unnest(l.actors) actor join stopped p on p.id = substr(actor, 5)::uuid)
        or not tenant_acts()
    union all
    select r.revocation_id from revoked_biscuit_blocks r where r.tenant_id = app_tenant() and r.forgotten_at > at;
end $$;

-- As before, and with who delegates to the credential of one of them.
create or replace function session_lineage_lives(first uuid, at timestamptz) returns boolean
  language plpgsql stable set search_path = public, pg_temp as $$
begin
  return not exists (
    with recursive lineage (id, parent_id, ended_at, expires_at, delegator_id) as (
      select s.id, s.parent_id, s.ended_at, s.expires_at, s.delegator_id
        from sessions s where s.tenant_id = app_tenant() and s.id = first
      union
      select s.id, s.parent_id, s.ended_at, s.expires_at, s.delegator_id
        from sessions s join lineage l on s.id = l.parent_id where s.tenant_id = app_tenant())
    select from lineage where ended_at is not null or expires_at <= at
      or (delegator_id is not null and not identity_acts(delegator_id, at)));
end $$;
