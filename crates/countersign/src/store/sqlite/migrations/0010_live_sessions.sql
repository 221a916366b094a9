-- A user's live sessions by their beginning, and the ended ones apart: the oldest that are too many, and a
-- page of the list, are found without reading what ended. A login writes into one of them, as before.
CREATE INDEX sessions_live ON sessions (user_id, created_at) WHERE revoked_at IS NULL;
CREATE INDEX sessions_ended ON sessions (user_id, created_at) WHERE revoked_at IS NOT NULL;
DROP INDEX sessions_of_user;
