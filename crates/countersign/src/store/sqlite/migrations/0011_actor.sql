-- Who did it where it was no user, such as shell:ada.
ALTER TABLE audit_events ADD COLUMN actor TEXT;
CREATE INDEX audit_actor ON audit_events (actor, at) WHERE actor IS NOT NULL;
