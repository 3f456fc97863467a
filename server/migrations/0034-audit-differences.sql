-- What the columns of audit_events have to be, read from a leaf. A leaf that cannot be read gives is_readable = false.
create function audit_columns(leaf bytea, out is_readable boolean, out log_id uuid, out at timestamptz, out event_id uuid,
    out type text, out actor text, out resource text, out decision text, out decision_id uuid, out request_id text)
  language plpgsql stable set search_path = public, pg_temp as $$
declare
  fields jsonb;
begin
  fields := convert_from(leaf, 'UTF8')::jsonb;
  log_id := substr(fields->>'log', 5)::uuid;
  at := (fields->>'at')::timestamptz;
  event_id := substr(fields->>'id', 5)::uuid;
  type := fields->>'type';
  actor := fields->>'actor';
  resource := fields->>'resource';
  decision := fields->>'decision';
  decision_id := substr(fields->>'decisionId', 5)::uuid;
  request_id := fields->>'requestId';
  is_readable := true;
exception when data_exception or program_limit_exceeded then
  is_readable := false;
end $$;

-- Compares the rows of the tenant's log with their leaves, from a sequence on and so many sequences, and returns every
-- column that differs. Nobody writes these columns but audit_append, which reads them from the leaf; an administrator of
-- the database can, and a search would follow. A row outside 0 to size - 1, or a second one of a sequence, differs in its
-- sequence; one of another log, in its tenant_id.
create function audit_differences(start bigint, sequences_max integer, differences_max integer)
  returns table (sequence bigint, differing text)
  language plpgsql stable set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  head record;
  first bigint;
  last bigint;
begin
  select h.tenant_id, h.log_id, h.size into strict head from audit_heads h where h.tenant_id = app_tenant();
  -- One row before, for its chain. The first and the last page also have what lies outside of the log. Plain bounds, so
  -- that a page costs what it has and not what the log has.
  first := case when start = 0 then -9223372036854775808 else start - 1 end;
  last := case when start + sequences_max >= head.size then 9223372036854775807 else start + sequences_max - 1 end;
  return query
  with stored as (
    select e.*, head.log_id, head.size,
        lag(e.sequence) over (order by e.sequence, e.at) as sequence_before,
        case when e.sequence = 0 then decode(repeat('00', 32), 'hex') else lag(e.chain) over (order by e.sequence, e.at) end
          as chain_before
      from audit_events e where e.tenant_id = head.tenant_id and e.sequence between first and last)
  select s.sequence, d.differing
    from stored s
      cross join lateral audit_columns(s.leaf) l
      cross join lateral (values
        (1, 'sequence', s.sequence < 0 or s.sequence >= s.size or s.sequence is not distinct from s.sequence_before),
        (2, 'leaf', not l.is_readable),
        (3, 'leaf_hash', s.leaf_hash is distinct from sha256('\x00'::bytea || s.leaf)),
        -- A missing row before is found by whoever recomputes the chain.
        (4, 'chain', s.chain is distinct from coalesce(sha256(s.chain_before || s.leaf_hash), s.chain)),
        (5, 'tenant_id', l.is_readable and s.log_id is distinct from l.log_id),
        (6, 'at', l.is_readable and s.at is distinct from l.at),
        (7, 'event_id', l.is_readable and s.event_id is distinct from l.event_id),
        (8, 'type', l.is_readable and s.type is distinct from l.type),
        (9, 'actor', l.is_readable and s.actor is distinct from l.actor),
        (10, 'resource', l.is_readable and s.resource is distinct from l.resource),
        (11, 'decision', l.is_readable and s.decision is distinct from l.decision),
        (12, 'decision_id', l.is_readable and s.decision_id is distinct from l.decision_id),
        (13, 'request_id', l.is_readable and s.request_id is distinct from l.request_id)) d (place, differing, differs)
    where d.differs and (s.sequence >= start or start = 0)
    order by s.sequence, d.place limit differences_max;
end $$;

revoke all on function audit_columns, audit_differences from public;
grant execute on function audit_columns, audit_differences to agent_iam_tenant;
