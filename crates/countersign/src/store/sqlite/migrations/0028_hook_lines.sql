-- Of one user only the first message that waits for a hook can be taken. What else waits stands behind it, in a line, and nobody looks through it: otherwise a user
-- of whom much is told makes every look long.

-- One row for each user of whom something waits for a hook. It is due when the first of its messages is.
CREATE TABLE hook_lines (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    hook    TEXT NOT NULL,
    user_id TEXT NOT NULL,
    due_at  INTEGER NOT NULL,
    UNIQUE (hook, user_id)
) STRICT;
CREATE INDEX hook_lines_due ON hook_lines (hook, due_at);
INSERT INTO hook_lines (hook, user_id, due_at) SELECT hook, user_id, min(due_at) FROM hook_messages WHERE state = 'waiting' GROUP BY hook, user_id;

DROP INDEX hook_messages_due;
-- The changes that nobody has tried to send: of each user one for a hook.
CREATE INDEX hook_messages_changed ON hook_messages (user_id) WHERE state = 'waiting' AND event = 'user.changed' AND tries = 0 AND leased_until = 0;

DROP TRIGGER tell_hooks;
CREATE TRIGGER tell_hooks INSTEAD OF INSERT ON tell_hooks
BEGIN
    -- A change right behind the making that nobody has tried to send: what was to be sent says how the user is now. A change that nobody has tried to send
    -- gives way to the next one, which tells all that it told. So an act of several statements is one change.
    UPDATE hook_messages SET data = NEW.data
    WHERE NEW.event = 'user.changed' AND state = 'waiting' AND event = 'user.created' AND tries = 0 AND leased_until = 0
        AND number IN (
            SELECT (SELECT max(number) FROM hook_messages WHERE user_id = CAST(NEW.user_id AS TEXT) AND hook = hook_wants.hook AND state = 'waiting')
            FROM hook_wants WHERE event = 'user.changed');
    DELETE FROM hook_messages
    WHERE NEW.event = 'user.changed' AND user_id = CAST(NEW.user_id AS TEXT) AND state = 'waiting' AND event = 'user.changed' AND tries = 0 AND leased_until = 0;
    INSERT INTO hook_messages (hook, id, event, user_id, data, created_at, due_at)
    SELECT hook, 'msg_' || lower(hex(randomblob(16))), NEW.event, CAST(NEW.user_id AS TEXT), NEW.data, at, at
    FROM hook_wants CROSS JOIN (SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000 AS at)
    WHERE event = NEW.event AND NOT (NEW.event = 'user.changed' AND EXISTS (
        SELECT 1 FROM hook_messages AS m
        WHERE m.number = (SELECT max(number) FROM hook_messages WHERE user_id = CAST(NEW.user_id AS TEXT) AND hook = hook_wants.hook AND state = 'waiting')
            AND m.event = 'user.created' AND m.tries = 0 AND m.leased_until = 0));
    INSERT INTO hook_lines (hook, user_id, due_at)
    SELECT hook, CAST(NEW.user_id AS TEXT), CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000
    FROM hook_wants
    WHERE event = NEW.event AND NOT EXISTS (SELECT 1 FROM hook_lines AS line WHERE line.hook = hook_wants.hook AND line.user_id = CAST(NEW.user_id AS TEXT));
END;
