-- What a session may do and how it came to be. A scope of null is all that the identity holds; a confirmation binds its
-- tokens to a key: {"jkt": …} (RFC 9449) or {"x5t#S256": …} (RFC 8705).
alter table sessions
  add column method text not null default 'unknown',
  add column client_id text,
  add column scope text[],
  add column confirmation jsonb,
  add column metadata jsonb not null default '{}',
  add column device text,
  add column last_used_at timestamptz;

drop function read_session(uuid);
create function read_session(wanted uuid)
  returns table (id uuid, identity_id uuid, started_at timestamptz, expires_at timestamptz, ended_at timestamptz,
    method text, client_id text, scope text[], confirmation jsonb,
    kind text, status text, identity_expires_at timestamptz)
  language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  return query
    select s.id, s.identity_id, s.started_at, s.expires_at, s.ended_at, s.method, s.client_id, s.scope, s.confirmation,
      i.kind, i.status, i.expires_at
    from sessions s join identities i on i.tenant_id = s.tenant_id and i.id = s.identity_id
    where s.tenant_id = app_tenant() and s.id = wanted;
end $$;

-- As before, with the session's scope: a decision rests on it too.
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
      s.ended_at is null and s.expires_at > at and c.status = 'active', s.scope
    from audit_heads h
      left join policy_versions v on v.tenant_id = h.tenant_id
      left join identities i on i.tenant_id = h.tenant_id and i.id = wanted
      left join sessions s on s.tenant_id = h.tenant_id and s.id = session
      left join identities c on c.tenant_id = s.tenant_id and c.id = s.identity_id
    where h.tenant_id = app_tenant();
end $$;
