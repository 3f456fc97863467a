-- Lists of identities of all kinds, by name and by age.
create index identities_in_order on identities (tenant_id, name, id);
create index identities_by_age on identities (tenant_id, created_at, id);
-- A service's description may be changed.
grant update on services to agent_iam_tenant;
