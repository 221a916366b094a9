-- By what authenticators know the user of a passkey that came from another installation; without one, as this installation has it.
ALTER TABLE factors ADD COLUMN handle bytea;
