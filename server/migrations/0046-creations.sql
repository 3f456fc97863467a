-- What rests on a session of a client, a key or a token, found by that session: a person looks through it and confirms it.
-- Nearly all rows rest on none, and are not in these indexes. API keys are found by the parent of their session.
create index identities_by_source on identities (tenant_id, source_session) where source_session is not null;
create index service_secrets_by_source on service_secrets (tenant_id, source_session) where source_session is not null;
create index enrolment_tokens_by_source on enrolment_tokens (tenant_id, source_session) where source_session is not null;
create index oauth_clients_by_source on oauth_clients (tenant_id, source_session) where source_session is not null;
