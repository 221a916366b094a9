-- How far a session's lineage had come a little earlier (docs/rotation.md). A row of an earlier program
-- has none, and is read in favour of the client until its next refresh. No row is written here, and
-- nodes of that program go on meanwhile.
ALTER TABLE sessions
    ADD COLUMN mark_generation bigint,
    ADD COLUMN mark_since bigint,
    ADD COLUMN earlier_mark_generation bigint,
    ADD COLUMN earlier_mark_since bigint;
