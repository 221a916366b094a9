-- How far a session's lineage had come a little earlier (docs/rotation.md). A row of an earlier program
-- has none, and is read in favour of the client until its next refresh.
ALTER TABLE sessions ADD COLUMN mark_generation INTEGER;
ALTER TABLE sessions ADD COLUMN mark_since INTEGER;
ALTER TABLE sessions ADD COLUMN earlier_mark_generation INTEGER;
ALTER TABLE sessions ADD COLUMN earlier_mark_since INTEGER;
