-- Nonces that have expired are swept a few at a time, beside others who sweep: `for update skip locked` locks them,
-- which takes the right to update.
grant update on used_nonces to agent_iam_tenant;
