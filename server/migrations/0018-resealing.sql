-- What an older master key sealed is sealed anew: a data key's row is changed in place, and in nothing but its seal.
grant update (sealed) on data_keys to agent_iam_tenant;

-- All tenants by and by, for work that has to be done for each.
create function list_tenants_after(after uuid, at_most integer) returns setof uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform set_config('app.lookup', 'on', true);
  return query select tenant_id from tenants where tenant_id > after order by tenant_id limit at_most;
  perform set_config('app.lookup', '', true);
end $$;
revoke all on function list_tenants_after from public;
grant execute on function list_tenants_after to agent_iam_tenant;
