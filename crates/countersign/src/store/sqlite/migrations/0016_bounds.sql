-- Mails are counted by their kind too, and tokens by whom they were made for.
DROP INDEX outbox_address;
CREATE INDEX outbox_address ON outbox (address, kind, created_at);
DROP INDEX one_time_tokens_user;
CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id, purpose, created_at);
-- Codes are asked for together with the address: what is dead is not looked through.
DROP INDEX one_time_tokens_address;
CREATE INDEX one_time_tokens_address ON one_time_tokens (address, purpose, created_at) WHERE used_at IS NULL;
