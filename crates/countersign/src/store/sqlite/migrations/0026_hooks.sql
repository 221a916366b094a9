-- Web hooks: what is told to whom, and what waits to be told. Triggers write it, as they write the feed: so it holds for each act of every door, a database shell
-- included, and no new operation can forget it. A shell of an older SQLite (3.38) must be able to read the schema, and to write.

CREATE TABLE hooks (
    name         TEXT PRIMARY KEY,
    paused_at    INTEGER,
    pause_reason TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- Empty where no hook is configured: then the triggers end with a look into an empty table.
CREATE TABLE hook_wants (
    event TEXT NOT NULL,
    hook  TEXT NOT NULL,
    PRIMARY KEY (event, hook)
) STRICT, WITHOUT ROWID;

-- One row for each hook that wants an event. Those of one user are sent in the order of their numbers. due_at of one that is done says when that was.
CREATE TABLE hook_messages (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    hook         TEXT NOT NULL,
    id           TEXT NOT NULL,
    event        TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    data         TEXT NOT NULL,
    state        TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed')),
    created_at   INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    leased_until INTEGER NOT NULL DEFAULT 0,
    tries        INTEGER NOT NULL DEFAULT 0,
    tried_since  INTEGER,
    error        TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX hook_messages_due ON hook_messages (hook, due_at, number) WHERE state = 'waiting';
CREATE INDEX hook_messages_line ON hook_messages (user_id, hook, number) WHERE state = 'waiting';
CREATE INDEX hook_messages_state ON hook_messages (hook, state, due_at);
CREATE INDEX hook_messages_done ON hook_messages (user_id) WHERE state <> 'waiting';
CREATE INDEX hook_messages_created ON hook_messages (created_at);

-- A hash that was made anew at a login is no other password.
ALTER TABLE users ADD COLUMN rehashes INTEGER NOT NULL DEFAULT 0;

-- Whether the session began on a device that the user had not been seen on.
ALTER TABLE sessions ADD COLUMN new_device INTEGER NOT NULL DEFAULT 0 CHECK (new_device IN (0, 1));

-- What hooks are told of a user: nothing of the password, the factors and the metadata.
CREATE VIEW hook_users AS
SELECT id, json_object(
    'id', id,
    'username', username,
    'email', email,
    'email_verified', json(iif(email_verified, 'true', 'false')),
    'first_name', first_name,
    'last_name', last_name,
    'is_active', json(iif(is_active, 'true', 'false')),
    'is_staff', json(iif(is_staff, 'true', 'false')),
    'is_superuser', json(iif(is_superuser, 'true', 'false')),
    'language', locale,
    'date_joined', strftime('%Y-%m-%dT%H:%M:%SZ', date_joined),
    'groups', json((
        SELECT json_group_array(name) FROM (
            SELECT name FROM user_groups JOIN groups ON groups.id = group_id WHERE user_groups.user_id = users.id ORDER BY name)
    ))
) AS told
FROM users;

-- The one place in which an act that happened becomes what waits to be told.
CREATE VIEW tell_hooks AS SELECT '' AS event, '' AS user_id, '' AS data;
CREATE TRIGGER tell_hooks INSTEAD OF INSERT ON tell_hooks
BEGIN
    -- A change right behind the making that nobody has tried to send: what was to be sent says how the user is now. A change that nobody has tried to send
    -- gives way to the next one, which tells all that it told. So an act of several statements is one change.
    UPDATE hook_messages SET data = NEW.data
    WHERE NEW.event = 'user.changed' AND state = 'waiting' AND event = 'user.created' AND tries = 0 AND leased_until = 0
        AND number IN (SELECT max(number) FROM hook_messages WHERE user_id = CAST(NEW.user_id AS TEXT) AND state = 'waiting' GROUP BY hook);
    DELETE FROM hook_messages
    WHERE NEW.event = 'user.changed' AND user_id = CAST(NEW.user_id AS TEXT) AND state = 'waiting' AND event = 'user.changed' AND tries = 0 AND leased_until = 0;
    INSERT INTO hook_messages (hook, id, event, user_id, data, created_at, due_at)
    SELECT hook, 'msg_' || lower(hex(randomblob(16))), NEW.event, CAST(NEW.user_id AS TEXT), NEW.data, at, max(at, coalesce(
        (SELECT due_at FROM hook_messages AS m WHERE m.user_id = CAST(NEW.user_id AS TEXT) AND m.hook = hook_wants.hook AND m.state = 'waiting'
         ORDER BY m.number DESC LIMIT 1), at))
    FROM hook_wants CROSS JOIN (SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000 AS at)
    WHERE event = NEW.event AND NOT (NEW.event = 'user.changed' AND EXISTS (
        SELECT 1 FROM hook_messages AS m
        WHERE m.number = (SELECT max(number) FROM hook_messages WHERE user_id = CAST(NEW.user_id AS TEXT) AND hook = hook_wants.hook AND state = 'waiting')
            AND m.event = 'user.created' AND m.tries = 0 AND m.leased_until = 0));
END;

CREATE TRIGGER hook_user_created AFTER INSERT ON users
BEGIN
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'user.created', id, json_object('user', json(told)) FROM hook_users
    WHERE id = NEW.id AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'user.created');
END;

CREATE TRIGGER hook_user_updated
AFTER UPDATE OF username, email, first_name, last_name, password, is_active, is_staff, is_superuser, email_verified, locale ON users
WHEN (OLD.username, OLD.email, OLD.first_name, OLD.last_name, OLD.is_active, OLD.is_staff, OLD.is_superuser, OLD.email_verified, OLD.locale)
    IS NOT (NEW.username, NEW.email, NEW.first_name, NEW.last_name, NEW.is_active, NEW.is_staff, NEW.is_superuser, NEW.email_verified, NEW.locale)
    OR (OLD.password <> NEW.password AND OLD.rehashes = NEW.rehashes)
BEGIN
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'address.changed', id, json_object('user', json(told), 'previous_email', OLD.email) FROM hook_users
    WHERE id = NEW.id AND OLD.email <> NEW.email AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'address.changed');
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'user.verified', id, json_object('user', json(told)) FROM hook_users
    WHERE id = NEW.id AND NEW.email_verified AND NOT OLD.email_verified AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'user.verified');
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'user.deactivated', id, json_object('user', json(told)) FROM hook_users
    WHERE id = NEW.id AND OLD.is_active AND NOT NEW.is_active AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'user.deactivated');
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'password.changed', id, json_object('user', json(told)) FROM hook_users
    WHERE id = NEW.id AND OLD.password <> NEW.password AND OLD.rehashes = NEW.rehashes
        AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'password.changed');
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'user.changed', id, json_object('user', json(told)) FROM hook_users
    WHERE id = NEW.id AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'user.changed')
        AND (OLD.username, OLD.email, OLD.first_name, OLD.last_name, OLD.is_active, OLD.is_staff, OLD.is_superuser, OLD.email_verified, OLD.locale)
        IS NOT (NEW.username, NEW.email, NEW.first_name, NEW.last_name, NEW.is_active, NEW.is_staff, NEW.is_superuser, NEW.email_verified, NEW.locale);
END;

-- What was sent about the user is forgotten with them.
CREATE TRIGGER hook_user_deleted AFTER DELETE ON users
BEGIN
    DELETE FROM hook_messages WHERE user_id = CAST(OLD.id AS TEXT) AND state <> 'waiting';
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'user.deleted', OLD.id, json_object('user', json_object('id', OLD.id, 'username', OLD.username))
    WHERE EXISTS (SELECT 1 FROM hook_wants WHERE event = 'user.deleted');
END;

CREATE TRIGGER hook_user_group_added AFTER INSERT ON user_groups
BEGIN
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'user.changed', id, json_object('user', json(told)) FROM hook_users
    WHERE id = NEW.user_id AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'user.changed');
END;
CREATE TRIGGER hook_user_group_removed AFTER DELETE ON user_groups
BEGIN
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'user.changed', id, json_object('user', json(told)) FROM hook_users
    WHERE id = OLD.user_id AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'user.changed');
END;

CREATE VIEW hook_sessions AS
SELECT id, user_id, coalesce((SELECT told FROM hook_users WHERE hook_users.id = user_id), json_object('id', user_id)) AS user, json_object(
    'id', printf('%016x', id),
    'transport', transport,
    'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', created_at / 1000000, 'unixepoch'),
    'ip', ip,
    'user_agent', user_agent,
    'device_name', device_name
) AS told
FROM sessions;

CREATE TRIGGER hook_session_began AFTER INSERT ON sessions WHEN NEW.new_device
BEGIN
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'login.new_device', user_id, json_object('user', json(user), 'session', json(told)) FROM hook_sessions
    WHERE id = NEW.id AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'login.new_device');
END;

CREATE TRIGGER hook_session_ended AFTER UPDATE OF revoked_at ON sessions WHEN NEW.revoked_at IS NOT NULL AND OLD.revoked_at IS NULL
BEGIN
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'session.theft', user_id, json_object('user', json(user), 'session', json(told)) FROM hook_sessions
    WHERE id = NEW.id AND NEW.revoked_reason = 'token_theft' AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'session.theft');
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'session.ended', user_id, json_object('user', json(user), 'session', json(told), 'reason', NEW.revoked_reason) FROM hook_sessions
    WHERE id = NEW.id AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'session.ended');
END;

-- A factor is one when it was confirmed. Those of a user who is deleted are not told of.
CREATE TRIGGER hook_factor_added AFTER INSERT ON factors WHEN NEW.confirmed_at IS NOT NULL
BEGIN
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'factor.added', id, json_object('user', json(told), 'factor', json_object('kind', NEW.kind, 'name', NEW.name)) FROM hook_users
    WHERE id = NEW.user_id AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'factor.added');
END;
CREATE TRIGGER hook_factor_confirmed AFTER UPDATE OF confirmed_at ON factors WHEN NEW.confirmed_at IS NOT NULL AND OLD.confirmed_at IS NULL
BEGIN
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'factor.added', id, json_object('user', json(told), 'factor', json_object('kind', NEW.kind, 'name', NEW.name)) FROM hook_users
    WHERE id = NEW.user_id AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'factor.added');
END;
CREATE TRIGGER hook_factor_removed AFTER DELETE ON factors WHEN OLD.confirmed_at IS NOT NULL
BEGIN
    INSERT INTO tell_hooks (event, user_id, data)
    SELECT 'factor.removed', id, json_object('user', json(told), 'factor', json_object('kind', OLD.kind, 'name', OLD.name)) FROM hook_users
    WHERE id = OLD.user_id AND EXISTS (SELECT 1 FROM hook_wants WHERE event = 'factor.removed');
END;
