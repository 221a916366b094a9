-- Which kinds of hash are live is asked of active users only.
DROP INDEX users_password_kind;
CREATE INDEX users_live_kind ON users (password_kind) WHERE is_active;
