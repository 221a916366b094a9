-- The transaction that wrote a line: lines are read in this order, so that none becomes visible behind a place that was read. Lines from before count as written before all others.
ALTER TABLE audit_events ADD COLUMN xid bigint NOT NULL DEFAULT 0;
ALTER TABLE audit_events ALTER COLUMN xid SET DEFAULT (pg_current_xact_id()::text::bigint);
