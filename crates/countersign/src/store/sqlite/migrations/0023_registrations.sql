-- Who registered where an address must be proved first, and waits: the address is in the row once it is proved. They are there whether or not another has the address, so that nobody learns whether one has.
CREATE TABLE registrations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    ANY NOT NULL UNIQUE,
    address    TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX registrations_expiry ON registrations (expires_at);

-- Whoever has an address waits for none, whoever wrote it.
CREATE TRIGGER registration_done AFTER UPDATE OF email ON users WHEN NEW.email <> ''
BEGIN DELETE FROM registrations WHERE user_id = NEW.id; END;
CREATE TRIGGER registration_left AFTER DELETE ON users
BEGIN DELETE FROM registrations WHERE user_id = OLD.id; END;
