-- Skeletons of names that were made by the tables of before. Those of today begin with "2:"; the server makes the others
-- anew while it runs (platform/skeleton-refresh.ts), and a release before may still write some.
create index identities_old_skeletons on identities (tenant_id, id) where name_skeleton not like '2:%';
create index roles_old_skeletons on roles (tenant_id, id) where name_skeleton not like '2:%';

create function list_tenants_with_old_skeletons(at_most integer) returns setof uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform set_config('app.lookup', 'on', true);
  return query
    select i.tenant_id from identities i where i.name_skeleton not like '2:%'
    union
    select r.tenant_id from roles r where r.name_skeleton not like '2:%'
    limit at_most;
  perform set_config('app.lookup', '', true);
end $$;
revoke all on function list_tenants_with_old_skeletons from public;
grant execute on function list_tenants_with_old_skeletons to agent_iam_tenant;
