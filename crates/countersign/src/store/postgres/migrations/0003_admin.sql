-- What the admin site reads: lists in any order, the audit log by any of its columns, the last refreshes of a session, counts by the hour.
-- Indexes of tables that nodes write to meanwhile are made one by one, without holding anybody up: see `indexes.rs`.

-- The last refreshes that changed the row: five bytes each, a kind and a second.
ALTER TABLE sessions ADD COLUMN steps bytea;

-- An operator's own sessions. Times are microseconds since 1970.
CREATE TABLE admin_sessions (
    -- SHA-256 of the token.
    token_hash  bytea PRIMARY KEY,
    user_id     bigint NOT NULL,
    created_at  bigint NOT NULL,
    used_at     bigint NOT NULL,
    password_at bigint NOT NULL,
    ip          text,
    user_agent  text NOT NULL
);
CREATE INDEX admin_sessions_user ON admin_sessions (user_id);
CREATE INDEX admin_sessions_used ON admin_sessions (used_at);

CREATE FUNCTION operator_left() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM admin_sessions WHERE user_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER operator_left AFTER UPDATE OF is_active, is_staff ON users FOR EACH ROW
WHEN (NOT NEW.is_active OR NOT NEW.is_staff) EXECUTE FUNCTION operator_left();
CREATE TRIGGER operator_deleted AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION operator_left();

-- Who did it, from where, and what else there is to say.
ALTER TABLE audit_events
    ADD COLUMN actor_id text COLLATE "C",
    ADD COLUMN ip text COLLATE "C",
    ADD COLUMN detail text NOT NULL DEFAULT '';

-- Counts by the hour: hours since 1970, and a number for what is counted.
CREATE TABLE activity (
    hour bigint NOT NULL,
    kind bigint NOT NULL,
    n    bigint NOT NULL,
    PRIMARY KEY (hour, kind)
);
