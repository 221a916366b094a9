-- What its user calls the device of a session.
ALTER TABLE sessions ADD COLUMN device_name text;
