-- Failed logins by account, for all nodes. Not logged: a count costs no fsync, and a crash of the database, or a failover, forgets the counts as a restart of a node on SQLite does.
-- The key is a hash under the secret. What an attempt changes is in no index, and the pages have room for it. Times are microseconds since 1970.
CREATE UNLOGGED TABLE login_attempts (
    key      bytea PRIMARY KEY,
    -- Failures, of which one is forgiven for each longest delay without an attempt.
    many     bigint NOT NULL,
    -- Tells the last attempt from others; when it began; when the one before it did; whether it added a failure.
    serial   bigint NOT NULL,
    last     bigint NOT NULL,
    previous bigint,
    added    bigint NOT NULL,
    -- When the row is worth nothing any more.
    fades_at bigint NOT NULL
) WITH (fillfactor = 70);

-- The failures that are left at a time.
CREATE FUNCTION login_failures(many bigint, last bigint, now bigint, longest bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(many - (now - least(last, now)) / longest, 0)
$$;

-- How long to wait after so many: a second, then twice as long each time.
CREATE FUNCTION login_delay(failures bigint, free bigint, longest bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN failures < free THEN 0 ELSE least(longest, (1::bigint << least(failures - free, 40)::integer) * 1000000) END
$$;
