-- Those who have a second factor, or had one.
CREATE INDEX users_factors ON users (id) WHERE factors > 0;

-- By what authenticators know the user of a passkey that came from another installation; without one, as this installation has it.
ALTER TABLE factors ADD COLUMN handle BLOB;
