-- A link that was mailed dies with `is_active`, whoever takes it away, and does not come back to life when it is given again; one that takes a theft back does not die.
CREATE TRIGGER users_deactivated AFTER UPDATE OF is_active ON users
WHEN OLD.is_active AND NOT NEW.is_active
BEGIN
    UPDATE one_time_tokens SET used_at = unixepoch() * 1000000
    WHERE user_id = NEW.id AND used_at IS NULL AND purpose <> 'undo';
END;
UPDATE one_time_tokens SET used_at = unixepoch() * 1000000
WHERE used_at IS NULL AND purpose <> 'undo' AND user_id IN (SELECT id FROM users WHERE NOT is_active);
