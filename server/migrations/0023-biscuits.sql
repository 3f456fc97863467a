-- Root keys of a tenant's Biscuits: they sign nothing else. Their life is a signing key's, and signing_key_sets counts
-- their changes too. root_key_id stands in the token, outside of what is signed; it is one key's in all tenants, so that
-- a token tells whose it would be.
create sequence biscuit_root_key_ids as bigint maxvalue 4294967295;
grant usage on sequence biscuit_root_key_ids to agent_iam_tenant;
create table biscuit_root_keys (
  tenant_id uuid not null references tenants,
  id uuid not null,
  root_key_id bigint not null unique default nextval('biscuit_root_key_ids'),
  algorithm text not null default 'EdDSA' check (algorithm = 'EdDSA'),
  key_type text not null default 'Ed25519' check (key_type = 'Ed25519'),
  public_jwk jsonb not null,
  sealed bytea,
  state text not null check (state in ('pending', 'active', 'backup', 'retiring', 'retired', 'revoked')),
  created_at timestamptz not null,
  revoked_at timestamptz,
  signs_from timestamptz,
  activated_at timestamptz,
  retires_at timestamptz,
  primary key (tenant_id, id)
);
create unique index biscuit_root_keys_active on biscuit_root_keys (tenant_id) where state = 'active';
create unique index biscuit_root_keys_pending on biscuit_root_keys (tenant_id) where state = 'pending';
call confine_to_tenant('biscuit_root_keys');
grant select, insert, update on biscuit_root_keys to agent_iam_tenant;

-- Whose root key it is: this is how the tenant of who presents a Biscuit becomes known.
create function find_root_key_tenant(wanted bigint) returns uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  found uuid;
begin
  perform set_config('app.lookup', 'on', true);
  select tenant_id into found from biscuit_root_keys where root_key_id = wanted;
  perform set_config('app.lookup', '', true);
  return found;
end $$;

-- Due too: who has no root key yet, or whose next one is to sign. The release before knows neither when it says when the
-- set is due.
create or replace function find_due_signing_keys(at timestamptz, at_most integer) returns setof uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform set_config('app.lookup', 'on', true);
  return query select t.tenant_id from tenants t left join signing_key_sets s on s.tenant_id = t.tenant_id
    where s.due_at is null or s.due_at <= at
      or not exists (select from biscuit_root_keys k where k.tenant_id = t.tenant_id and k.state = 'active')
      or exists (select from biscuit_root_keys k where k.tenant_id = t.tenant_id
        and (k.signs_from <= at or k.retires_at <= at))
    order by s.due_at nulls first limit at_most;
  perform set_config('app.lookup', '', true);
end $$;

-- A Biscuit that was handed out: the session that it presents. The token itself is kept nowhere. revocation_id is that of
-- its authority block, and so of every token that was made of it.
create table biscuits (
  tenant_id uuid not null,
  revocation_id bytea not null,
  session_id uuid not null,
  root_key_id bigint not null,
  expires_at timestamptz not null,
  primary key (tenant_id, revocation_id),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade
);
create index biscuits_by_session on biscuits (tenant_id, session_id);
create index biscuits_by_expiry on biscuits (tenant_id, expires_at);
call confine_to_tenant('biscuits');
grant select, insert, update, delete on biscuits to agent_iam_tenant;

-- A block that somebody appended and an administrator refused: no token that holds it is good. No Biscuit outlives
-- forgotten_at that may hold it.
create table revoked_biscuit_blocks (
  tenant_id uuid not null references tenants,
  revocation_id bytea not null,
  revoked_at timestamptz not null,
  forgotten_at timestamptz not null,
  primary key (tenant_id, revocation_id)
);
create index revoked_biscuit_blocks_by_end on revoked_biscuit_blocks (tenant_id, forgotten_at);
call confine_to_tenant('revoked_biscuit_blocks');
grant select, insert, update, delete on revoked_biscuit_blocks to agent_iam_tenant;

-- The blocks that are good no more though their tokens have not expired: whose session ended, or one that it was begun
-- with; whose identity or an actor may not act, or one who lends them authority. Sets are walked, not rows: first up to
-- all on whom the live Biscuits rest, then down from those who stopped.
create function list_revoked_biscuits(at timestamptz) returns setof bytea
  language plpgsql stable set search_path = public, pg_temp as $$
begin
  return query
    with recursive live as materialized (
      select b.revocation_id, s.id, s.identity_id, s.actors
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
      select substr(actor, 5)::uuid from live l, unnest(l.actors) actor),
    chain (id, parent_id, stops) as (
      select i.id, i.parent_id, i.status <> 'active' or coalesce(i.expires_at <= at, false)
        from identities i join acting a on i.tenant_id = app_tenant() and i.id = a.id
      union
      select i.id, i.parent_id, i.status <> 'active' or coalesce(i.expires_at <= at, false)
        from identities i join chain c on i.tenant_id = app_tenant() and i.id = c.parent_id),
    stopped (id) as (
      select c.id from chain c where c.stops
      union
      select c.id from chain c join stopped p on c.parent_id = p.id)
    select l.revocation_id from live l
      where l.id in (select e.id from ended e)
        or l.identity_id in (select p.id from stopped p)
        or exists (select from unnest(l.actors) actor join stopped p on p.id = substr(actor, 5)::uuid)
        or not tenant_acts()
    union all
    select r.revocation_id from revoked_biscuit_blocks r where r.tenant_id = app_tenant() and r.forgotten_at > at;
end $$;

revoke all on function find_root_key_tenant from public;
grant execute on function find_root_key_tenant to agent_iam_tenant;
