-- As before, and it refuses a leaf that the log does not store: larger than 1 MiB, nested deeper than 32 steps, or with a type
-- or an actor that is too long for an index. Such a leaf gets a null type, which the table refuses: a function of its own for
-- each leaf would cost a fifth of the append. The limits are those of features/audit/storable.ts.
create or replace function audit_append(leaves bytea, lengths integer[], epochs bigint[], narrows boolean,
    out sequences bigint[], out hashes bytea)
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  head audit_heads;
  next_size bigint;
  next_chain bytea;
  place integer := 1;
  leaf bytea;
  hash bytea;
  landed bytea[] := '{}';
  landed_hashes bytea[] := '{}';
  chains bytea[] := '{}';
  changed boolean;
begin
  select * into strict head from audit_heads where tenant_id = app_tenant() for update;
  next_size := head.size;
  next_chain := head.chain;
  for i in 1..cardinality(lengths) loop
    sequences[i] := null;
    if epochs[i] is null or epochs[i] >= head.epoch then
      leaf := substr(leaves, place, lengths[i]);
      hash := sha256('\x00'::bytea || leaf);
      next_chain := sha256(next_chain || hash);
      landed := landed || leaf;
      landed_hashes := landed_hashes || hash;
      chains := chains || next_chain;
      sequences[i] := next_size;
      next_size := next_size + 1;
    end if;
    place := place + lengths[i];
  end loop;
  with appended as (
    insert into audit_events (tenant_id, sequence, at, leaf, leaf_hash, chain, event_id, type, actor, resource,
        decision, decision_id, request_id)
      select head.tenant_id, head.size + each.place - 1, (fields->>'at')::timestamptz, each.leaf, each.hash, each.chain,
          substr(fields->>'id', 5)::uuid,
          case when length(each.leaf) <= 1048576 and not jsonb_path_exists(fields, 'strict $.**{33}')
            and octet_length(fields->>'type') <= 100 and octet_length(fields->>'actor') <= 200 then fields->>'type' end,
          fields->>'actor', fields->>'resource',
          fields->>'decision', substr(fields->>'decisionId', 5)::uuid, fields->>'requestId'
        from unnest(landed, landed_hashes, chains) with ordinality as each (leaf, hash, chain, place),
          -- Not merged into the rest, which would read the leaf anew for each column.
          lateral (select convert_from(each.leaf, 'UTF8')::jsonb as fields offset 0) as reading
      returning not is_everyday(type) as changes)
  select coalesce(bool_or(changes), false) into changed from appended;
  update audit_heads h
    set size = next_size, chain = next_chain, epoch = head.epoch + narrows::integer, changes = head.changes + changed::integer
    where h.tenant_id = head.tenant_id;
  select coalesce(string_agg(each.hash, ''::bytea order by each.place), '') into hashes
    from unnest(landed_hashes) with ordinality as each (hash, place);
end $$;
