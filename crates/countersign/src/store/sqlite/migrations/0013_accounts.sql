-- Accounts: whether an address is proved, the language of mails, and when a user asked to be deleted.
ALTER TABLE users ADD COLUMN email_verified INTEGER NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1));
ALTER TABLE users ADD COLUMN locale TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN deletion_at INTEGER;
CREATE INDEX users_deletion ON users (deletion_at) WHERE deletion_at IS NOT NULL;

DROP TRIGGER user_changed;
CREATE TRIGGER user_changed
AFTER UPDATE OF username, email, first_name, last_name, is_active, is_staff, is_superuser, date_joined, metadata, email_verified, locale ON users
BEGIN INSERT INTO changes (at, kind, subject) VALUES (unixepoch() * 1000000, 'user_changed', NEW.id); END;

-- Another address is not proved, whoever writes it.
CREATE TRIGGER users_email_changed AFTER UPDATE OF email ON users
WHEN lower(NEW.email) <> lower(OLD.email) AND NEW.email_verified AND OLD.email_verified
BEGIN UPDATE users SET email_verified = 0 WHERE id = NEW.id; END;

-- One-time tokens: hashes only. `used_at` is set too when a newer token ends this one.
CREATE TABLE one_time_tokens (
    id          INTEGER PRIMARY KEY,
    purpose     TEXT NOT NULL,
    user_id     ANY,
    address     TEXT NOT NULL DEFAULT '',
    secret_hash BLOB NOT NULL,
    code_hash   BLOB,
    tries       INTEGER NOT NULL DEFAULT 0,
    fingerprint BLOB NOT NULL,
    payload     TEXT NOT NULL DEFAULT '{}',
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    used_at     INTEGER
) STRICT;
CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id, purpose) WHERE used_at IS NULL;
CREATE INDEX one_time_tokens_address ON one_time_tokens (address, purpose, created_at);
CREATE INDEX one_time_tokens_expiry ON one_time_tokens (expires_at);

-- What waits to be sent, sealed; void rows are never sent.
CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL DEFAULT 'mail',
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'void')),
    user_id      ANY,
    address      TEXT NOT NULL DEFAULT '',
    sealed       BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    leased_until INTEGER NOT NULL DEFAULT 0,
    tries        INTEGER NOT NULL DEFAULT 0,
    error        TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'waiting';
CREATE INDEX outbox_address ON outbox (address, created_at);
CREATE INDEX outbox_state ON outbox (state, created_at, id);
CREATE INDEX outbox_created ON outbox (created_at, id);
