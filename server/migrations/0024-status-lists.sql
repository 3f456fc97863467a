-- Status lists (draft-ietf-oauth-status-list): what tells who verifies tokens offline that one has ended. A list is a
-- row of entries; a session whose tokens are verified so has one entry, drawn by lot. Nothing here says what its status
-- is: that is read of the sessions and identities themselves when the list is asked for.
create table status_lists (
  tenant_id uuid not null references tenants,
  id uuid not null,
  number integer not null check (number > 0),
  capacity integer not null check (capacity > 0),
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, number)
);
call confine_to_tenant('status_lists');
grant select, insert, delete on status_lists to agent_iam_tenant;

-- session_id refers to nothing on purpose: who has a token of a session that was forgotten is told that it is invalid.
-- expires_at is when the last token that names the entry has ended; only then may another session have it.
create table status_entries (
  tenant_id uuid not null,
  list_id uuid not null,
  idx integer not null check (idx >= 0),
  session_id uuid not null,
  expires_at timestamptz not null,
  primary key (tenant_id, list_id, idx),
  unique (tenant_id, session_id),
  foreign key (tenant_id, list_id) references status_lists (tenant_id, id)
);
create index status_entries_by_expiry on status_entries (expires_at);
call confine_to_tenant('status_entries');
grant select, insert, update, delete on status_entries to agent_iam_tenant;

-- Which entries of a list are invalid and which suspended, as of one moment. A token is invalid when its session, or one
-- that it was begun with, ended or ran out, or whoever acts in it, or lends authority to who does, was revoked, deleted
-- or has expired. It is suspended when one of them, or the tenant, is merely stopped. As read_live_session, for many.
-- Lenders and actors are looked up upwards, each once, so that the cost follows the list's size and not that of the
-- tenant; what is stopped among them is then carried down again. The planner cannot know how few they mostly are, so it
-- is told what not to try.
create function read_status_list(wanted uuid, at timestamptz)
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
            i.status <> 'active' as is_stopped,
            s.parent_id as session_parent, i.parent_id as lender, nullif(s.actors, '{}') as actors
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
        select idx, substr(unnest(actors), 5)::uuid from listed where actors is not null and not is_over),
      chain (id, parent_id, is_stopped, is_over) as (
        select i.id, i.parent_id, i.status <> 'active' or coalesce(i.expires_at <= at, false),
            i.status in ('revoked', 'deleted') or coalesce(i.expires_at <= at, false)
          from (select distinct id from others) o join identities i on i.tenant_id = app_tenant() and i.id = o.id
        union
        select i.id, i.parent_id, i.status <> 'active' or coalesce(i.expires_at <= at, false),
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

-- Tenants with entries that no token names any more.
create function find_tenants_with_spent_statuses(before timestamptz, at_most integer) returns setof uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform set_config('app.lookup', 'on', true);
  return query select distinct e.tenant_id from status_entries e where e.expires_at < before limit at_most;
  perform set_config('app.lookup', '', true);
end $$;
revoke all on function find_tenants_with_spent_statuses from public;
grant execute on function find_tenants_with_spent_statuses to agent_iam_tenant;
