-- Tickets that were used, for as long as they could be shown again. One that was not used is not in the database at all: its signature proves it.
CREATE TABLE used_tickets (
    id    BLOB NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_tickets_until ON used_tickets (until);
