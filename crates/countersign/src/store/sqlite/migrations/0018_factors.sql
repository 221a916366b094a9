-- Second factors. They belong to a user's id, wherever the user's row is.

-- The number of the state that a user's factors are in, as factor_owners has it: 0 for who never had one. It is in the row on which a session begins.
ALTER TABLE users ADD COLUMN factors INTEGER NOT NULL DEFAULT 0;

-- How and when the user of a session last proved who they are, and what the session may be used for. Without a time, when it began.
ALTER TABLE sessions ADD COLUMN amr TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN auth_time INTEGER;
ALTER TABLE sessions ADD COLUMN scope TEXT NOT NULL DEFAULT '';

CREATE TABLE factor_owners (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id ANY NOT NULL UNIQUE,
    version INTEGER NOT NULL
) STRICT;

-- What a factor is proved with is sealed. One without confirmed_at was offered, and is asked of nobody.
CREATE TABLE factors (
    id           INTEGER PRIMARY KEY,
    user_id      ANY NOT NULL,
    kind         TEXT NOT NULL,
    name         TEXT,
    sealed       BLOB NOT NULL,
    last_step    INTEGER,
    created_at   INTEGER NOT NULL,
    confirmed_at INTEGER,
    last_used_at INTEGER
) STRICT;
CREATE INDEX factors_user ON factors (user_id, created_at, id);
CREATE INDEX factors_offered ON factors (created_at) WHERE confirmed_at IS NULL;

-- Hashes only. One that was used is gone.
CREATE TABLE recovery_codes (
    id      INTEGER PRIMARY KEY,
    user_id ANY NOT NULL,
    hash    BLOB NOT NULL
) STRICT;
CREATE INDEX recovery_codes_user ON recovery_codes (user_id);

-- Sign-ins that wait for a second factor, from the first try on.
CREATE TABLE pending_logins (
    id         INTEGER PRIMARY KEY,
    tries      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;
CREATE INDEX pending_logins_expiry ON pending_logins (expires_at);

CREATE TRIGGER factors_of_deleted AFTER DELETE ON users
BEGIN
    DELETE FROM factors WHERE user_id = OLD.id;
    DELETE FROM recovery_codes WHERE user_id = OLD.id;
    DELETE FROM factor_owners WHERE user_id = OLD.id;
END;
