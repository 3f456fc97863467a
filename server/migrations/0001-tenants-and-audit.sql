-- Every table that holds a tenant's rows has forced row security keyed to app.tenant. Every statement of the server
-- runs as the role agent_iam_tenant, which the migration runner makes, with app.tenant set for its transaction.

create function app_tenant() returns uuid language sql stable
  as $$ select nullif(current_setting('app.tenant', true), '')::uuid $$;

-- Gives a table its row security. Look-ups before the tenant is known go through functions that set app.lookup and
-- run as the owner; the unprivileged role cannot become the owner, so it cannot use that door itself.
create procedure confine_to_tenant(confined regclass) language plpgsql as $$
begin
  execute format('alter table %s enable row level security', confined);
  execute format('alter table %s force row level security', confined);
  execute format('create policy own_tenant on %s using (tenant_id = app_tenant()) with check (tenant_id = app_tenant())', confined);
  execute format($policy$create policy lookup on %s for select
    using (current_user <> 'agent_iam_tenant' and current_setting('app.lookup', true) = 'on')$policy$, confined);
end $$;

create table tenants (
  tenant_id uuid primary key,
  slug text not null unique,
  name text not null,
  status text not null check (status in ('active', 'suspended')),
  created_at timestamptz not null
);
call confine_to_tenant('tenants');
grant select, insert, update on tenants to agent_iam_tenant;

create function find_tenant_by_slug(wanted text) returns uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  found uuid;
begin
  perform set_config('app.lookup', 'on', true);
  select tenant_id into found from tenants where slug = wanted;
  perform set_config('app.lookup', '', true);
  return found;
end $$;

-- The head of a tenant's log: how many events, the hash of the chain, and the epoch of D13.
create table audit_heads (
  tenant_id uuid primary key references tenants,
  log_id uuid not null unique,
  size bigint not null,
  chain bytea not null check (length(chain) = 32),
  epoch bigint not null
);
call confine_to_tenant('audit_heads');
grant select, insert on audit_heads to agent_iam_tenant;

-- The columns beside the leaf are read out of it by audit_append, so they cannot differ from it.
-- No foreign key: audit_append takes the tenant from its head row, and a check per event would cost a third of it.
create table audit_events (
  tenant_id uuid not null,
  sequence bigint not null,
  at timestamptz not null,
  leaf bytea not null,
  leaf_hash bytea not null,
  chain bytea not null,
  event_id uuid not null,
  type text not null,
  actor text not null,
  resource text,
  decision text,
  decision_id uuid,
  request_id text,
  primary key (tenant_id, sequence, at)
) partition by range (at);
create index audit_events_by_decision on audit_events (tenant_id, decision_id) where decision_id is not null;
create index audit_events_by_actor on audit_events (tenant_id, actor, sequence);
create index audit_events_by_type on audit_events (tenant_id, type, sequence);
call confine_to_tenant('audit_events');
grant select on audit_events to agent_iam_tenant;

-- What no month's partition takes; on the embedded database, everything.
create table audit_events_default partition of audit_events default;
call confine_to_tenant('audit_events_default');

-- Makes the partitions of the coming months, where they are not there yet.
create function make_audit_partitions(months integer) returns void
  language plpgsql set search_path = public, pg_temp as $$
declare
  month date;
  name text;
begin
  for ahead in 0..months loop
    month := date_trunc('month', now() at time zone 'utc') + make_interval(months => ahead);
    name := 'audit_events_' || to_char(month, 'YYYY_MM');
    if to_regclass(name) is null then
      begin
        execute format('create table %I partition of audit_events for values from (%L) to (%L)',
          name, month::timestamp at time zone 'utc', (month + interval '1 month')::timestamp at time zone 'utc');
        call confine_to_tenant(name::regclass);
      exception when check_violation then
        -- The month has events in the default partition already: it stays there.
        null;
      end;
    end if;
  end loop;
end $$;

-- Appends leaves to the tenant's log, in order: locks the head, refuses what was decided under an older epoch,
-- assigns the sequence and extends the chain. The only way into the log. An event with a null epoch is not checked.
-- A refused leaf comes back with a null sequence; the others are appended all the same.
create function audit_append(leaves bytea[], epochs bigint[], narrows boolean)
  returns table (ordinal integer, sequence bigint, leaf_hash bytea)
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  head audit_heads;
  next_size bigint;
  next_chain bytea;
  hash bytea;
  fields jsonb;
begin
  select * into strict head from audit_heads where tenant_id = app_tenant() for update;
  next_size := head.size;
  next_chain := head.chain;
  for i in 1..cardinality(leaves) loop
    ordinal := i;
    sequence := null;
    leaf_hash := null;
    if epochs[i] is null or epochs[i] >= head.epoch then
      hash := sha256('\x00'::bytea || leaves[i]);
      next_chain := sha256(next_chain || hash);
      fields := convert_from(leaves[i], 'UTF8')::jsonb;
      insert into audit_events (tenant_id, sequence, at, leaf, leaf_hash, chain, event_id, type, actor, resource,
          decision, decision_id, request_id)
        values (head.tenant_id, next_size, (fields->>'at')::timestamptz, leaves[i], hash, next_chain,
          substr(fields->>'id', 5)::uuid, fields->>'type', fields->>'actor', fields->>'resource',
          fields->>'decision', substr(fields->>'decisionId', 5)::uuid, fields->>'requestId');
      sequence := next_size;
      leaf_hash := hash;
      next_size := next_size + 1;
    end if;
    return next;
  end loop;
  update audit_heads set size = next_size, chain = next_chain, epoch = head.epoch + narrows::integer
    where tenant_id = head.tenant_id;
end $$;

-- The key that seals the personal fields of one data subject; destroying it makes the person forgotten.
create table data_keys (
  tenant_id uuid not null references tenants,
  subject text not null,
  sealed bytea not null,
  created_at timestamptz not null,
  primary key (tenant_id, subject)
);
call confine_to_tenant('data_keys');
grant select, insert, delete on data_keys to agent_iam_tenant;

-- Which master keys have sealed rows here; the check value tells a wrong key from the right one.
create table master_keys (
  tenant_id uuid not null references tenants,
  key_id text not null,
  check_value bytea not null,
  created_at timestamptz not null,
  primary key (tenant_id, key_id)
);
call confine_to_tenant('master_keys');
grant select, insert on master_keys to agent_iam_tenant;

create table signing_keys (
  tenant_id uuid not null references tenants,
  id uuid not null,
  algorithm text not null check (algorithm in ('RS256', 'EdDSA')),
  public_jwk jsonb not null,
  sealed bytea not null,
  created_at timestamptz not null,
  revoked_at timestamptz,
  primary key (tenant_id, id)
);
call confine_to_tenant('signing_keys');
grant select, insert, update on signing_keys to agent_iam_tenant;

-- The platform's own tenant, the same in every installation. Row security binds the owner of the tables too.
set local app.tenant = '00000000-0000-7000-8000-000000000001';
insert into tenants values ('00000000-0000-7000-8000-000000000001', 'platform', 'Platform', 'active', now());
insert into audit_heads values ('00000000-0000-7000-8000-000000000001', gen_random_uuid(), 0, decode(repeat('00', 32), 'hex'), 0);

revoke all on function find_tenant_by_slug, make_audit_partitions, audit_append from public;
grant execute on function find_tenant_by_slug, audit_append to agent_iam_tenant;
