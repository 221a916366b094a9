-- When a recovery code was made: an undo forgets those that a thief made. Codes without it are older than this column.
ALTER TABLE recovery_codes ADD COLUMN made_at INTEGER;

-- The challenges of one user, of which a few are kept.
CREATE INDEX passkey_challenges_user ON passkey_challenges (user_id, expires_at) WHERE user_id IS NOT NULL;
