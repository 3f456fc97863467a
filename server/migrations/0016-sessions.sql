-- A session that was begun with another's token ends with it. uses counts how often its refresh token was traded. notes
-- are its holder's own words, and metadata is ours: what a session may do can rest on the latter alone.
alter table sessions
  add column parent_id uuid,
  add column notes jsonb not null default '{}',
  add column uses integer not null default 0;
create index sessions_of_identity on sessions (tenant_id, identity_id, id);
create index sessions_by_parent on sessions (tenant_id, parent_id) where parent_id is not null;
create index sessions_by_end on sessions (least(ended_at, expires_at));
create index refresh_tokens_by_session on refresh_tokens (tenant_id, session_id);
grant delete on sessions, refresh_tokens to agent_iam_tenant;

-- A person's lasting login on a device: the device's present session, which another takes the place of at a recovery.
create table sdk_tokens (
  tenant_id uuid not null,
  id uuid not null,
  identity_id uuid not null,
  session_id uuid not null,
  device text not null,
  created_at timestamptz not null,
  recovered_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, identity_id) references identities (tenant_id, id),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id)
);
create index sdk_tokens_by_identity on sdk_tokens (tenant_id, identity_id, id);
create index sdk_tokens_by_session on sdk_tokens (tenant_id, session_id);
call confine_to_tenant('sdk_tokens');
grant select, insert, update, delete on sdk_tokens to agent_iam_tenant;

-- Tenants that have sessions to sweep: those that ended, or ran out, before an instant.
create function find_tenants_to_sweep(ended_before timestamptz, at_most integer) returns setof uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform set_config('app.lookup', 'on', true);
  return query select distinct s.tenant_id from sessions s
    where least(s.ended_at, s.expires_at) < ended_before and s.method <> 'api-key' limit at_most;
  perform set_config('app.lookup', '', true);
end $$;
revoke all on function find_tenants_to_sweep from public;
grant execute on function find_tenants_to_sweep to agent_iam_tenant;
