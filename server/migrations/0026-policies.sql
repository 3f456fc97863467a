-- Policies as documents with versions. What is in force stays in `policies`, which decisions read; a document says what else
-- there is of a policy: drafts, earlier texts, whether it is in force at all.
create table policy_documents (
  tenant_id uuid not null references tenants,
  id uuid not null,
  name text not null,
  description text not null,
  status text not null check (status in ('draft', 'active', 'retired')),
  priority integer not null default 0,
  -- The pack that brought it.
  pack text,
  current_version integer not null,
  -- Which version lies in `policies`.
  active_version integer,
  revision bigint not null default 1,
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, name),
  check ((status = 'active') = (active_version is not null))
);
grant select, insert, update, delete on policy_documents to agent_iam_tenant;
create index policy_documents_by_pack on policy_documents (tenant_id, pack) where pack is not null;

-- What a policy said. A row never changes.
create table policy_revisions (
  tenant_id uuid not null,
  policy_id uuid not null,
  version integer not null,
  cedar text not null,
  effect text not null check (effect in ('permit', 'forbid')),
  is_unscoped boolean not null,
  author text not null,
  at timestamptz not null,
  comment text not null default '',
  primary key (tenant_id, policy_id, version),
  foreign key (tenant_id, policy_id) references policy_documents on delete cascade
);
grant select, insert, delete on policy_revisions to agent_iam_tenant;

alter table policies add column priority integer not null default 0;
grant update on policies to agent_iam_tenant;

-- What lies in `policies` gets its documents, of all tenants; only then are the tables confined to one at a time.
select set_config('app.lookup', 'on', true);
insert into policy_documents (tenant_id, id, name, description, status, current_version, active_version, created_by,
    created_at, updated_at)
  select tenant_id, id, name, description, 'active', 1, 1, created_by, created_at, created_at from policies;
insert into policy_revisions (tenant_id, policy_id, version, cedar, effect, is_unscoped, author, at)
  select tenant_id, id, 1, cedar, effect, is_unscoped, created_by, created_at from policies;
select set_config('app.lookup', '', true);
call confine_to_tenant('policy_documents');
call confine_to_tenant('policy_revisions');

-- The release before knows no documents. Who does writes the document first, so what has none here was written by it, and
-- what is in force by its document while its row goes was removed by it.
create function keep_policy_document() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
  if tg_op = 'DELETE' then
    delete from policy_documents where tenant_id = old.tenant_id and id = old.id and status = 'active';
    return null;
  end if;
  if exists (select from policy_documents where tenant_id = new.tenant_id and id = new.id) then
    return null;
  end if;
  -- A draft may have the name, of which the release before knows nothing: what is in force is not left without a document.
  insert into policy_documents (tenant_id, id, name, description, status, current_version, active_version, created_by,
      created_at, updated_at)
    select new.tenant_id, new.id,
      case when exists (select from policy_documents where tenant_id = new.tenant_id and name = new.name)
        then left(new.name, 60) || ' ' || new.id else new.name end,
      new.description, 'active', 1, 1, new.created_by, new.created_at, new.created_at;
  insert into policy_revisions (tenant_id, policy_id, version, cedar, effect, is_unscoped, author, at)
    values (new.tenant_id, new.id, 1, new.cedar, new.effect, new.is_unscoped, new.created_by, new.created_at);
  return null;
end $$;
create trigger keep_policy_document after insert or delete on policies
  for each row execute function keep_policy_document();
