-- What ends when a session begins: the one that it replaces, and the user's oldest ones beyond `most`. A function, since each of its statements sees what was committed before
-- it, and what its caller did: two logins at once, of which each waits for the other, are counted both. Rows are locked in the order of their ids, as everywhere.
CREATE FUNCTION end_for_session(own bigint, owner text, began bigint, most bigint, looked_at bigint, replaced bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    gone bigint;
BEGIN
    -- Logins of a user who lives elsewhere have no row to wait at.
    PERFORM pg_advisory_xact_lock(hashtextextended('countersign sessions:' || owner, 0));
    WITH newest AS (
        SELECT id, created_at, expires_at FROM sessions
        WHERE user_id = owner AND revoked_at IS NULL AND id <> own AND id IS DISTINCT FROM replaced
        ORDER BY created_at DESC, id DESC LIMIT CASE WHEN most > 0 THEN most - 1 + looked_at ELSE 0 END
    ), oldest AS (
        SELECT id FROM newest WHERE expires_at > began ORDER BY created_at DESC, id DESC OFFSET greatest(most - 1, 0)
    ), due AS (
        SELECT id FROM sessions WHERE id IN (SELECT id FROM oldest UNION SELECT replaced) AND revoked_at IS NULL AND expires_at > began
        ORDER BY id FOR UPDATE
    )
    UPDATE sessions SET revoked_at = began, revoked_reason = CASE WHEN id = replaced THEN 'replaced' ELSE 'session_limit' END
    WHERE id IN (SELECT id FROM due);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;
