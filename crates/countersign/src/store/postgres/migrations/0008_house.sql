-- What keeping house goes by: the time as this database has come to know it, in microseconds since 1970. It moves in bounded steps, whatever a clock says.
-- And the history that it lives in: PostgreSQL's timeline, which a failover or a restored backup changes.
CREATE TABLE house (
    id       integer PRIMARY KEY CHECK (id = 1),
    time     bigint,
    timeline text
);
