-- The device that a session is bound to: its public key, how it proves itself, since when it counts, and the time of the last challenge that it used up. A key without device_confirmed_at was offered, and nothing is refused for want of it.
ALTER TABLE sessions
    ADD COLUMN device_key text,
    ADD COLUMN device_kind text,
    ADD COLUMN device_confirmed_at bigint,
    ADD COLUMN device_proof_at bigint;
