-- A key whose grace ended has expired; nobody revoked it. The release before reads `expired` as well: such a key has
-- ended by its time, and its API has the word.
alter table agent_keys drop constraint agent_keys_status_check;
alter table agent_keys
  add constraint agent_keys_status_check check (status in ('active', 'retiring', 'expired', 'revoked'));
