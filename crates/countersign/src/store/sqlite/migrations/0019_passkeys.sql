-- Passkeys are factors: what a login names one by, and whether its provider has a copy. Its last count is in last_step.
ALTER TABLE factors ADD COLUMN credential BLOB;
ALTER TABLE factors ADD COLUMN is_backed_up INTEGER;
CREATE UNIQUE INDEX factors_credential ON factors (credential) WHERE credential IS NOT NULL;

-- What a browser was asked to sign. One that was used is gone.
CREATE TABLE passkey_challenges (
    id         INTEGER PRIMARY KEY,
    user_id    ANY,
    state      BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX passkey_challenges_expiry ON passkey_challenges (expires_at);
