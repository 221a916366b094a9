-- A link that was mailed dies with `is_active`, whoever takes it away, and does not come back to life when it is given again; one that takes a theft back does not die.
CREATE FUNCTION users_deactivated() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE one_time_tokens SET used_at = now_micros()
    WHERE user_id = NEW.id::text AND used_at IS NULL AND purpose <> 'undo';
    RETURN NULL;
END $$;
CREATE TRIGGER users_deactivated AFTER UPDATE OF is_active ON users FOR EACH ROW
WHEN (OLD.is_active AND NOT NEW.is_active) EXECUTE FUNCTION users_deactivated();
UPDATE one_time_tokens SET used_at = now_micros()
WHERE used_at IS NULL AND purpose <> 'undo' AND user_id IN (SELECT id::text FROM users WHERE NOT is_active);
