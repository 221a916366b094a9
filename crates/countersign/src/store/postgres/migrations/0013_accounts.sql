-- Accounts: whether an address is proved, the language of mails, and when a user asked to be deleted.
ALTER TABLE users ADD COLUMN email_verified boolean NOT NULL DEFAULT false;
ALTER TABLE users ADD COLUMN locale text NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN deletion_at bigint;
CREATE INDEX users_deletion ON users (deletion_at) WHERE deletion_at IS NOT NULL;

DROP TRIGGER user_changed ON users;
CREATE TRIGGER user_changed
AFTER UPDATE OF username, email, first_name, last_name, is_active, is_staff, is_superuser, date_joined, metadata, email_verified, locale ON users
FOR EACH ROW EXECUTE FUNCTION user_changed('id');

-- Another address is not proved, whoever writes it.
CREATE FUNCTION users_email_changed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.email_verified := false;
    RETURN NEW;
END $$;
CREATE TRIGGER users_email_changed BEFORE UPDATE OF email ON users FOR EACH ROW
WHEN (lower(NEW.email) <> lower(OLD.email) AND NEW.email_verified AND OLD.email_verified)
EXECUTE FUNCTION users_email_changed();

-- One-time tokens: hashes only. `used_at` is set too when a newer token ends this one.
CREATE TABLE one_time_tokens (
    id          bigint PRIMARY KEY,
    purpose     text NOT NULL,
    user_id     text,
    address     text NOT NULL DEFAULT '',
    secret_hash bytea NOT NULL,
    code_hash   bytea,
    tries       integer NOT NULL DEFAULT 0,
    fingerprint bytea NOT NULL,
    payload     text NOT NULL DEFAULT '{}',
    created_at  bigint NOT NULL,
    expires_at  bigint NOT NULL,
    used_at     bigint
);
CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id, purpose) WHERE used_at IS NULL;
CREATE INDEX one_time_tokens_address ON one_time_tokens (address, purpose, created_at);
CREATE INDEX one_time_tokens_expiry ON one_time_tokens (expires_at);

-- What waits to be sent, sealed; void rows are never sent.
CREATE TABLE outbox (
    id           bigint PRIMARY KEY,
    kind         text NOT NULL DEFAULT 'mail',
    state        text NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'void')),
    user_id      text,
    address      text NOT NULL DEFAULT '',
    sealed       bytea NOT NULL,
    created_at   bigint NOT NULL,
    due_at       bigint NOT NULL,
    leased_until bigint NOT NULL DEFAULT 0,
    tries        integer NOT NULL DEFAULT 0,
    error        text NOT NULL DEFAULT ''
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'waiting';
CREATE INDEX outbox_address ON outbox (address, created_at);
CREATE INDEX outbox_state ON outbox (state, created_at, id);
CREATE INDEX outbox_created ON outbox (created_at, id);
