-- What keeping house goes by: the time as this database has come to know it, in microseconds since 1970. It moves in bounded steps, whatever a clock says.
CREATE TABLE house (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    time INTEGER NOT NULL
) STRICT;
