-- Users, as in Django's AbstractUser: the same column names, the same encoded passwords, dates as Django writes them on SQLite.
CREATE TABLE users (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    username        TEXT NOT NULL UNIQUE,
    -- NFKC and case folding of the name; NULL in rows that were imported without it, which are then found by their exact name only.
    username_folded TEXT,
    email           TEXT NOT NULL DEFAULT '',
    first_name      TEXT NOT NULL DEFAULT '',
    last_name       TEXT NOT NULL DEFAULT '',
    password        TEXT NOT NULL,
    is_active       INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    is_staff        INTEGER NOT NULL DEFAULT 0 CHECK (is_staff IN (0, 1)),
    is_superuser    INTEGER NOT NULL DEFAULT 0 CHECK (is_superuser IN (0, 1)),
    date_joined     TEXT NOT NULL,
    last_login      TEXT,
    metadata        TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    -- The encoded password up to its salt: which kinds of hash are live, without reading every row.
    password_kind   TEXT GENERATED ALWAYS AS (
        CASE
            WHEN password LIKE 'argon2$%' THEN substr(password, 1, instr(password, ',p=') + 4)
            WHEN password LIKE 'bcrypt%' THEN substr(password, 1, instr(password, '$') + 6)
            WHEN password LIKE '!%' THEN '!'
            ELSE substr(password, 1, instr(password, '$') + instr(substr(password, instr(password, '$') + 1), '$') - 1)
        END
    ) VIRTUAL
) STRICT;
CREATE INDEX users_username_folded ON users (username_folded);
CREATE INDEX users_email ON users (email COLLATE NOCASE) WHERE email <> '';
CREATE INDEX users_password_kind ON users (password_kind);

CREATE TABLE groups (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (length(name) <= 150)
) STRICT;

-- A permission is written `app.codename`.
CREATE TABLE permissions (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    app      TEXT NOT NULL CHECK (length(app) <= 100),
    codename TEXT NOT NULL CHECK (length(codename) <= 100),
    name     TEXT NOT NULL DEFAULT '' CHECK (length(name) <= 255),
    UNIQUE (app, codename)
) STRICT;

CREATE TABLE user_groups (
    user_id  INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_groups_group ON user_groups (group_id);

CREATE TABLE user_permissions (
    user_id       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    permission_id INTEGER NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, permission_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_permissions_permission ON user_permissions (permission_id);

CREATE TABLE group_permissions (
    group_id      INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    permission_id INTEGER NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, permission_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_permissions_permission ON group_permissions (permission_id);

-- Sessions: one row each, the rotation state in it, no table of tokens. Times are microseconds since 1970. No reference to users: a session outlives
-- the deletion of its user until its row is forgotten, so that its end can be told.
CREATE TABLE sessions (
    id             INTEGER PRIMARY KEY,
    -- An integer, or the text of an app that keeps users of its own.
    user_id        ANY NOT NULL,
    generation     INTEGER NOT NULL,
    current_jti    BLOB NOT NULL,
    current_iat    INTEGER NOT NULL,
    current_since  INTEGER NOT NULL,
    race_credit    INTEGER NOT NULL,
    race_charged   INTEGER,
    created_at     INTEGER NOT NULL,
    last_used_at   INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    transport      TEXT NOT NULL CHECK (transport IN ('cookie', 'body')),
    user_agent     TEXT NOT NULL DEFAULT '',
    ip             TEXT,
    revoked_at     INTEGER,
    revoked_reason TEXT
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id) WHERE revoked_at IS NULL;
CREATE INDEX sessions_begun ON sessions (created_at) WHERE revoked_at IS NULL;
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

-- Signing keys: the private half sealed under a key derived from the secret.
CREATE TABLE signing_keys (
    id           BLOB PRIMARY KEY,
    algorithm    TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    activates_at INTEGER NOT NULL,
    retires_at   INTEGER,
    sealed       BLOB NOT NULL
) STRICT;

-- What was found out about sessions and must not be forgotten with them.
CREATE TABLE audit_events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    user_id    ANY,
    session_id INTEGER
) STRICT;

-- The feed: everything that other processes must feel. Written by triggers, so that it holds whoever changes a row, a database shell included.
CREATE TABLE changes (
    cursor  INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    subject ANY
) STRICT;
CREATE INDEX changes_at ON changes (at);

CREATE TRIGGER session_ended AFTER UPDATE OF revoked_at ON sessions WHEN NEW.revoked_at IS NOT NULL AND OLD.revoked_at IS NULL
BEGIN INSERT INTO changes (at, kind, subject) VALUES (NEW.revoked_at, 'session_ended', NEW.id); END;

CREATE TRIGGER user_changed
AFTER UPDATE OF username, email, first_name, last_name, is_active, is_staff, is_superuser, date_joined, metadata ON users
BEGIN INSERT INTO changes (at, kind, subject) VALUES (unixepoch() * 1000000, 'user_changed', NEW.id); END;
CREATE TRIGGER user_deleted AFTER DELETE ON users
BEGIN INSERT INTO changes (at, kind, subject) VALUES (unixepoch() * 1000000, 'user_changed', OLD.id); END;

CREATE TRIGGER user_group_added AFTER INSERT ON user_groups
BEGIN INSERT INTO changes (at, kind, subject) VALUES (unixepoch() * 1000000, 'user_changed', NEW.user_id); END;
CREATE TRIGGER user_group_removed AFTER DELETE ON user_groups
BEGIN INSERT INTO changes (at, kind, subject) VALUES (unixepoch() * 1000000, 'user_changed', OLD.user_id); END;
CREATE TRIGGER user_permission_added AFTER INSERT ON user_permissions
BEGIN INSERT INTO changes (at, kind, subject) VALUES (unixepoch() * 1000000, 'user_changed', NEW.user_id); END;
CREATE TRIGGER user_permission_removed AFTER DELETE ON user_permissions
BEGIN INSERT INTO changes (at, kind, subject) VALUES (unixepoch() * 1000000, 'user_changed', OLD.user_id); END;

CREATE TRIGGER group_renamed AFTER UPDATE ON groups
BEGIN INSERT INTO changes (at, kind) VALUES (unixepoch() * 1000000, 'all_users_changed'); END;
CREATE TRIGGER group_permission_added AFTER INSERT ON group_permissions
BEGIN INSERT INTO changes (at, kind) VALUES (unixepoch() * 1000000, 'all_users_changed'); END;
CREATE TRIGGER group_permission_removed AFTER DELETE ON group_permissions
BEGIN INSERT INTO changes (at, kind) VALUES (unixepoch() * 1000000, 'all_users_changed'); END;
CREATE TRIGGER permission_renamed AFTER UPDATE ON permissions
BEGIN INSERT INTO changes (at, kind) VALUES (unixepoch() * 1000000, 'all_users_changed'); END;

CREATE TRIGGER key_added AFTER INSERT ON signing_keys
BEGIN INSERT INTO changes (at, kind) VALUES (unixepoch() * 1000000, 'keys_changed'); END;
CREATE TRIGGER key_changed AFTER UPDATE ON signing_keys
BEGIN INSERT INTO changes (at, kind) VALUES (unixepoch() * 1000000, 'keys_changed'); END;
CREATE TRIGGER key_removed AFTER DELETE ON signing_keys
BEGIN INSERT INTO changes (at, kind) VALUES (unixepoch() * 1000000, 'keys_changed'); END;
