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
-- What a list rests on is looked up upwards, each identity and session once, so that the cost follows the list's size
-- and not that of the tenant; what is stopped is then carried down again.
create function read_status_list(wanted uuid, at timestamptz)
  returns table (invalid integer[], suspended integer[])
  language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  return query
    with recursive
      listed as materialized (
        select e.idx, s.id is null or s.ended_at is not null or s.expires_at <= at as is_over,
            s.identity_id, s.parent_id, s.actors
          from status_entries e left join sessions s on s.tenant_id = e.tenant_id and s.id = e.session_id
          where e.tenant_id = app_tenant() and e.list_id = wanted),
      lineage (id, parent_id, is_over) as (
        select s.id, s.parent_id, s.ended_at is not null or s.expires_at <= at
          from (select distinct parent_id from listed where parent_id is not null and not is_over) l
            join sessions s on s.tenant_id = app_tenant() and s.id = l.parent_id
        union
        select s.id, s.parent_id, s.ended_at is not null or s.expires_at <= at
          from lineage l join sessions s on s.tenant_id = app_tenant() and s.id = l.parent_id),
      sessions_over (id) as (
        select id from lineage where is_over
        union
        select l.id from sessions_over o join lineage l on l.parent_id = o.id),
      acting as materialized (
        select idx, identity_id from listed where not is_over
        union
        select idx, substr(actor, 5)::uuid from listed, unnest(actors) actor where not is_over),
      chain (id, parent_id, is_stopped, is_invalid) as (
        select i.id, i.parent_id, i.status <> 'active' or coalesce(i.expires_at <= at, false),
            i.status in ('revoked', 'deleted') or coalesce(i.expires_at <= at, false)
          from (select distinct identity_id from acting) a
            join identities i on i.tenant_id = app_tenant() and i.id = a.identity_id
        union
        select i.id, i.parent_id, i.status <> 'active' or coalesce(i.expires_at <= at, false),
            i.status in ('revoked', 'deleted') or coalesce(i.expires_at <= at, false)
          from chain c join identities i on i.tenant_id = app_tenant() and i.id = c.parent_id),
      stopped (id, is_invalid) as (
        select id, is_invalid from chain where is_stopped
        union
        select c.id, s.is_invalid from stopped s join chain c on c.parent_id = s.id),
      told (idx, is_invalid) as (
        select idx, true from listed where is_over
        union all
        select l.idx, true from listed l join sessions_over o on o.id = l.parent_id
        union all
        select a.idx, s.is_invalid from acting a join stopped s on s.id = a.identity_id
        union all
        select idx, false from listed where not tenant_acts()),
      statuses as (
        select idx, bool_or(is_invalid) as is_invalid from told group by idx)
    select coalesce(array_agg(idx) filter (where is_invalid), '{}'),
      coalesce(array_agg(idx) filter (where not is_invalid), '{}')
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
