-- Which kinds of hash are live is asked of active users only, by an index that `indexes.rs` makes.
DROP INDEX IF EXISTS users_password_kind;
