-- The link that makes the first superuser: one for all processes on the database, and used once.
CREATE TABLE first_link (
    place INTEGER PRIMARY KEY CHECK (place = 1),
    token BLOB NOT NULL,
    used  INTEGER NOT NULL DEFAULT 0 CHECK (used IN (0, 1))
) STRICT;
