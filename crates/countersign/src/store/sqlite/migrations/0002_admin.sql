-- What the admin site reads: lists in any order, the audit log by any of its columns, the last refreshes of a session, counts by the hour.
-- Columns that a refresh changes are in no index.

-- Lists of users are sorted by these expressions, and then by id.
CREATE INDEX users_by_name ON users (coalesce(username_folded, username));
CREATE INDEX users_by_email ON users (lower(email));
CREATE INDEX users_by_first_name ON users (lower(first_name));
CREATE INDEX users_by_last_name ON users (lower(last_name));
CREATE INDEX users_by_joined ON users (date_joined);
CREATE INDEX users_by_last_login ON users (coalesce(last_login, ''));
-- Those who are few.
CREATE INDEX users_staff ON users (id) WHERE is_staff;
CREATE INDEX users_superusers ON users (id) WHERE is_superuser;
CREATE INDEX users_inactive ON users (id) WHERE NOT is_active;

-- The last refreshes that changed the row: five bytes each, a kind and a second.
ALTER TABLE sessions ADD COLUMN steps BLOB;
CREATE INDEX sessions_made ON sessions (created_at);
CREATE INDEX sessions_of_user ON sessions (user_id, created_at);
CREATE INDEX sessions_transport ON sessions (transport, created_at);
CREATE INDEX sessions_reason ON sessions (revoked_reason, created_at) WHERE revoked_at IS NOT NULL;

-- An operator's own sessions. Times are microseconds since 1970.
CREATE TABLE admin_sessions (
    -- SHA-256 of the token.
    token_hash  BLOB PRIMARY KEY,
    user_id     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    used_at     INTEGER NOT NULL,
    password_at INTEGER NOT NULL,
    ip          TEXT,
    user_agent  TEXT NOT NULL
) STRICT;
CREATE INDEX admin_sessions_user ON admin_sessions (user_id);
CREATE INDEX admin_sessions_used ON admin_sessions (used_at);

CREATE TRIGGER operator_left AFTER UPDATE OF is_active, is_staff ON users WHEN NOT NEW.is_active OR NOT NEW.is_staff
BEGIN DELETE FROM admin_sessions WHERE user_id = NEW.id; END;
CREATE TRIGGER operator_deleted AFTER DELETE ON users
BEGIN DELETE FROM admin_sessions WHERE user_id = OLD.id; END;

-- Who did it, from where, and what else there is to say.
ALTER TABLE audit_events ADD COLUMN actor_id ANY;
ALTER TABLE audit_events ADD COLUMN ip TEXT;
ALTER TABLE audit_events ADD COLUMN detail TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_at ON audit_events (at);
CREATE INDEX audit_kind ON audit_events (kind, at);
CREATE INDEX audit_user_id ON audit_events (user_id, at) WHERE user_id IS NOT NULL;
CREATE INDEX audit_actor_id ON audit_events (actor_id, at) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_session_id ON audit_events (session_id, at) WHERE session_id IS NOT NULL;
CREATE INDEX audit_ip ON audit_events (ip, at) WHERE ip IS NOT NULL;

-- Counts by the hour: hours since 1970, and a number for what is counted.
CREATE TABLE activity (
    hour INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    n    INTEGER NOT NULL,
    PRIMARY KEY (hour, kind)
) STRICT, WITHOUT ROWID;
