-- Passkeys are factors: what a login names one by, and whether its provider has a copy. Its last count is in last_step.
ALTER TABLE factors ADD COLUMN credential bytea;
ALTER TABLE factors ADD COLUMN is_backed_up boolean;
CREATE UNIQUE INDEX factors_credential ON factors (credential) WHERE credential IS NOT NULL;

-- What a browser was asked to sign. One that was used is gone.
CREATE TABLE passkey_challenges (
    id         bigint PRIMARY KEY,
    user_id    text COLLATE "C",
    state      bytea NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX passkey_challenges_expiry ON passkey_challenges (expires_at);
