-- The folding of addresses with letters beyond ASCII; NULL in all others, whose own lower case it is, and in rows that somebody wrote without it, until the next start.
ALTER TABLE users ADD COLUMN email_folded TEXT;
CREATE INDEX users_email_folded ON users (email_folded) WHERE email_folded IS NOT NULL;
CREATE INDEX users_email_beyond_ascii ON users (id) WHERE length(CAST(email AS BLOB)) <> length(email);
