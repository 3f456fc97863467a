-- What a session may do and how it came to be. A scope of null is all that the identity holds; a confirmation binds its
-- tokens to a key: {"jkt": …} (RFC 9449) or {"x5t#S256": …} (RFC 8705).
alter table sessions
  add column method text not null default 'unknown',
  add column client_id text,
  add column scope text[],
  add column confirmation jsonb,
  add column metadata jsonb not null default '{}',
  add column device text,
  add column last_used_at timestamptz;
