-- How often requests may come, by what they have in common. subject: what the rule is for, or '*' for each by itself.
create table rate_limits (
  tenant_id uuid not null references tenants,
  id uuid not null,
  dimension text not null check (dimension in ('tenant', 'identity', 'role', 'resource-type', 'address')),
  subject text not null,
  per_minute integer check (per_minute > 0),
  per_hour integer check (per_hour > 0),
  per_day integer check (per_day > 0),
  revision bigint not null default 1,
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, dimension, subject),
  check (per_minute is not null or per_hour is not null or per_day is not null)
);
call confine_to_tenant('rate_limits');
grant select, insert, update, delete on rate_limits to agent_iam_tenant;

-- As before, and that requests come too fast.
create or replace function is_everyday(type text) returns boolean language sql immutable as $$
  select type ~ '^((action|biscuit|decision|log|login|message|outbox|policy-engine|request|session|token)\.|agent\.(delegated|registered)$|rate-limit\.exceeded$)'
$$;

-- The instances that live: each says so every few seconds, by the database's clock. While Redis is lost, each takes its
-- share of every limit. They are the platform's.
create table instances (
  tenant_id uuid not null references tenants,
  id text not null,
  seen_at timestamptz not null,
  primary key (tenant_id, id)
);
call confine_to_tenant('instances');
grant select, insert, update, delete on instances to agent_iam_tenant;
