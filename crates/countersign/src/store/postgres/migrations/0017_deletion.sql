-- Whoever is active is not deleted: the plan ends with an activation, whoever makes it.
CREATE FUNCTION users_activated() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.deletion_at := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER users_activated BEFORE UPDATE OF is_active ON users FOR EACH ROW
WHEN (NEW.is_active AND NEW.deletion_at IS NOT NULL) EXECUTE FUNCTION users_activated();

-- What was made for a user goes with them, and is found by them.
DROP INDEX one_time_tokens_user;
CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id, purpose);
CREATE INDEX outbox_user ON outbox (user_id, id) WHERE user_id IS NOT NULL;
CREATE FUNCTION user_left() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM one_time_tokens WHERE user_id = OLD.id::text;
    DELETE FROM outbox WHERE user_id = OLD.id::text;
    RETURN NULL;
END $$;
CREATE TRIGGER user_left AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION user_left();
