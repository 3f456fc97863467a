-- What is kept of an attenuated Biscuit are its blocks, without the proof by which it can be presented and extended.
-- The form is that of standards/src/biscuit/blocks.ts. A text from which the proof cannot be taken keeps no block: then
-- nothing is allowed, as of blocks that cannot be read.
--
-- The release before reads this form as no Biscuit, and so denies what is asked within such blocks. Whatever it writes
-- while it still runs is put into this form by the triggers.
create function biscuit_blocks(token text) returns text language plpgsql immutable strict as $$
declare
  prefix constant text := 'biscuit-blocks:';
  bare constant text := translate(rtrim(token, '='), '-_', '+/');
  bytes bytea;
begin
  if starts_with(token, prefix) then return token; end if;
  bytes := decode(rpad(bare, (length(bare) + 3) / 4 * 4, '='), 'base64');
  if length(bytes) > 36 and substring(bytes from length(bytes) - 35 for 4) = '\x22220a20' then
    bytes := substring(bytes from 1 for length(bytes) - 36); -- the secret of the next block
  elsif length(bytes) > 68 and substring(bytes from length(bytes) - 67 for 4) = '\x22421240' then
    bytes := substring(bytes from 1 for length(bytes) - 68); -- the signature of a sealed token
  else
    return prefix;
  end if;
  return prefix || rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=');
exception when others then
  return prefix;
end $$;

create function keep_lent_blocks() returns trigger language plpgsql as $$
begin
  new.lent_blocks := biscuit_blocks(new.lent_blocks);
  return new;
end $$;
create trigger keep_lent_blocks before insert or update of lent_blocks on identities
  for each row when (new.lent_blocks is not null) execute function keep_lent_blocks();

create function keep_attenuation() returns trigger language plpgsql as $$
begin
  new.attenuation := biscuit_blocks(new.attenuation);
  return new;
end $$;
create trigger keep_attenuation before insert or update of attenuation on sessions
  for each row when (new.attenuation is not null) execute function keep_attenuation();

-- Row security binds the owner as well, and this is done for every tenant.
alter table identities no force row level security;
update identities set lent_blocks = lent_blocks where lent_blocks is not null;
alter table identities force row level security;
alter table sessions no force row level security;
update sessions set attenuation = attenuation where attenuation is not null;
alter table sessions force row level security;
