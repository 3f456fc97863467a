-- Mail that waits to be delivered. A message is written in the transaction that causes it; recipient and content are
-- sealed, and gone once it was delivered, has expired or was refused for good.
create table messages (
  tenant_id uuid not null references tenants,
  id uuid not null,
  purpose text not null,
  status text not null check (status in ('queued', 'delivered', 'expired', 'failed')),
  recipient bytea,
  content bytea,
  attempts integer not null,
  created_at timestamptz not null,
  -- When somebody may take it up: whoever does moves this on, so that nobody else takes it meanwhile.
  due_at timestamptz not null,
  expires_at timestamptz not null,
  finished_at timestamptz,
  primary key (tenant_id, id),
  check ((status = 'queued') = (content is not null and recipient is not null and finished_at is null))
);
create index messages_due on messages (due_at) where status = 'queued';
create index messages_expiring on messages (expires_at) where status = 'queued';
create index messages_finished on messages (tenant_id, finished_at) where status <> 'queued';
call confine_to_tenant('messages');
grant select, insert, update, delete on messages to agent_iam_tenant;

-- The tenants with messages that are due, or only those whose messages have expired: the work of whoever delivers.
create function find_tenants_with_mail(at timestamptz, only_expired boolean) returns setof uuid
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform set_config('app.lookup', 'on', true);
  return query select distinct tenant_id from messages
    where status = 'queued' and (expires_at <= at or (due_at <= at and not only_expired)) limit 100;
  perform set_config('app.lookup', '', true);
end $$;
revoke all on function find_tenants_with_mail from public;
grant execute on function find_tenants_with_mail to agent_iam_tenant;
