-- Who did it where it was no user, such as shell:ada.
ALTER TABLE audit_events ADD COLUMN actor text COLLATE "C";
