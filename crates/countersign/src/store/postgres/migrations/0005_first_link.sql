-- The link that makes the first superuser: one for all nodes, and used once.
CREATE TABLE first_link (
    place integer PRIMARY KEY CHECK (place = 1),
    token bytea NOT NULL,
    used  boolean NOT NULL DEFAULT false
);
