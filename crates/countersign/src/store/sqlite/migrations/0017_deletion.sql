-- Whoever is active is not deleted: the plan ends with an activation, whoever makes it.
CREATE TRIGGER users_activated AFTER UPDATE OF is_active ON users
WHEN NEW.is_active AND NEW.deletion_at IS NOT NULL
BEGIN UPDATE users SET deletion_at = NULL WHERE id = NEW.id; END;

-- What was made for a user goes with them, and is found by them.
DROP INDEX one_time_tokens_user;
CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id, purpose);
CREATE INDEX outbox_user ON outbox (user_id, id) WHERE user_id IS NOT NULL;
CREATE TRIGGER user_left AFTER DELETE ON users
BEGIN
    DELETE FROM one_time_tokens WHERE user_id = OLD.id;
    DELETE FROM outbox WHERE user_id = OLD.id;
END;
