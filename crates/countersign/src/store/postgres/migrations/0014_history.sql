-- What the installation is called, whichever database it lives in: a dump keeps it, an empty database has another.
CREATE TABLE installation (
    id   integer PRIMARY KEY CHECK (id = 1),
    name text NOT NULL DEFAULT gen_random_uuid()::text
);
INSERT INTO installation (id) VALUES (1);

-- The history that the database lives in, written by the transaction whose number it holds: a row that another transaction wrote came out of a dump.
-- It takes the place of house.timeline, which an older program goes on to write.
CREATE TABLE history (
    id         integer PRIMARY KEY CHECK (id = 1),
    place      text NOT NULL,
    written_by bigint NOT NULL
);
INSERT INTO history (id, place, written_by)
    SELECT 1, timeline || ' ' || 'history'::regclass::oid, pg_current_xact_id()::text::bigint FROM house WHERE timeline IS NOT NULL;
