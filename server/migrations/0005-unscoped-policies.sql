-- Whether a policy names neither principal, action nor resource in its scope, so that every decision must look at it.
alter table policies add column is_unscoped boolean not null default false;
