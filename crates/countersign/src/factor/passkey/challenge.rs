//! What a passkey signs to log in. It says itself that it is ours and how long it may be answered:
//! nothing is kept of it until it is used.

use std::fmt;

use aws_lc_rs::hmac;

use crate::clock::{Random, random_bytes};
use crate::factor::FactorId;
use crate::token::Secrets;

/// Makes challenges, and knows them again: an id, random bits, a time, and a tag over all of it
/// (HMAC-SHA256).
pub(super) struct Challenges {
    key: hmac::Key,
    server: String,
}

impl Challenges {
    /// Of this server: none of another on the same secret is one of them.
    pub(super) fn new(secrets: &Secrets, server: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secrets.challenges());
        Self { key, server: server.to_owned() }
    }

    /// One that may be answered until then, in seconds since 1970.
    pub(super) fn draw(&self, id: FactorId, random: &dyn Random, until: u64) -> Vec<u8> {
        let mut challenge = id.as_i64().to_be_bytes().to_vec();
        challenge.extend(random_bytes::<RANDOM_BYTES>(random));
        challenge.extend(until.to_be_bytes());
        let tag = hmac::sign(&self.key, &self.signed(&challenge));
        challenge.extend(tag.as_ref());
        challenge
    }

    /// Until when it may be answered, if it is one of ours and its time is not over.
    pub(super) fn check(&self, challenge: &[u8], now: u64) -> Option<u64> {
        let (body, tag) = challenge.split_at_checked(ID_BYTES + RANDOM_BYTES + TIME_BYTES)?;
        hmac::verify(&self.key, &self.signed(body), tag).ok()?;
        let until = u64::from_be_bytes(body.get(ID_BYTES + RANDOM_BYTES..)?.try_into().ok()?);
        (now < until).then_some(until)
    }

    /// Of a fixed length at its beginning, so that no two servers can be taken for each other.
    fn signed(&self, body: &[u8]) -> Vec<u8> {
        [body, self.server.as_bytes()].concat()
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges(..)")
    }
}

const ID_BYTES: usize = 8;

const RANDOM_BYTES: usize = 16;

const TIME_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::challenge_id;
    use super::*;
    use crate::clock::OsRandom;

    fn challenge(by: &Challenges) -> Vec<u8> {
        by.draw(FactorId::draw(&OsRandom), &OsRandom, 1_300)
    }

    fn challenges(letter: &str, server: &str) -> Challenges {
        Challenges::new(&Secrets::from_text(&letter.repeat(32)).unwrap(), server)
    }

    #[test]
    fn a_challenge_is_known_until_its_second_where_it_was_made_and_nowhere_else() {
        let ours = challenges("a", "https://id.example");
        let challenge = challenge(&ours);
        assert_eq!(ours.check(&challenge, 1_299), Some(1_300));
        assert_eq!(ours.check(&challenge, 1_300), None);
        for other in [challenges("b", "https://id.example"), challenges("a", "https://id.other")] {
            assert_eq!(other.check(&challenge, 1_000), None);
        }
    }

    #[test]
    fn no_bit_of_a_challenge_can_be_another() {
        let ours = challenges("a", "https://id.example");
        let challenge = challenge(&ours);
        for bit in 0..challenge.len() * 8 {
            let mut other = challenge.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ours.check(&other, 1_000), None, "{bit}");
        }
        for length in 0..challenge.len() {
            assert_eq!(ours.check(&challenge[..length], 1_000), None, "{length}");
        }
        assert_eq!(ours.check(&[&challenge[..], b"x"].concat(), 1_000), None);
        let (id, random) = (FactorId::new(7).unwrap(), &OsRandom);
        assert_ne!(ours.draw(id, random, 1_300), ours.draw(id, random, 1_300));
        assert_eq!(challenge_id(&ours.draw(id, random, 1_300)), Some(id));
    }
}
