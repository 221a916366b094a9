-- Credentials of programs that manage users. Only the hash of a token is kept. Its powers are lists in JSON; what counts of them is what its maker has.
CREATE TABLE service_tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT NOT NULL,
    token_hash   BLOB NOT NULL UNIQUE,
    maker_id     INTEGER,
    maker        TEXT,
    permissions  TEXT NOT NULL,
    group_names  TEXT NOT NULL,
    is_superuser INTEGER NOT NULL,
    networks     TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;
CREATE UNIQUE INDEX service_tokens_name ON service_tokens (name) WHERE revoked_at IS NULL;

-- Nobody has the id 0: whoever remembers anything of users looks again.
CREATE TRIGGER service_token_changed
AFTER UPDATE OF token_hash, maker_id, maker, permissions, group_names, is_superuser, networks, expires_at, revoked_at
ON service_tokens
BEGIN INSERT INTO changes (at, kind, subject) VALUES (unixepoch() * 1000000, 'user_changed', 0); END;
CREATE TRIGGER service_token_gone AFTER DELETE ON service_tokens
BEGIN INSERT INTO changes (at, kind, subject) VALUES (unixepoch() * 1000000, 'user_changed', 0); END;

-- What was made under a key of its caller, so that a request which is sent again makes nothing twice. Kept for a day.
CREATE TABLE idempotency_keys (
    key_hash     BLOB PRIMARY KEY,
    request_hash BLOB NOT NULL,
    user_id      INTEGER,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
