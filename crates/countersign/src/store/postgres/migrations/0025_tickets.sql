-- Tickets that were used, for as long as they could be shown again. One that was not used is not in the database at all: its signature proves it.
CREATE TABLE used_tickets (
    id    bytea NOT NULL PRIMARY KEY,
    until bigint NOT NULL
);
CREATE INDEX used_tickets_until ON used_tickets (until);
