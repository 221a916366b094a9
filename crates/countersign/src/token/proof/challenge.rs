use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use crate::clock::{Random, random_bytes};
use crate::session::SessionId;
use crate::session::device::CHALLENGE_SECONDS;
use crate::token::Secrets;

/// Makes challenges and knows them again: the time in microseconds, 64 random bits, and the first
/// half of the HMAC-SHA256 of these, the session and the purpose.
pub(crate) struct Challenges {
    key: hmac::Key,
}

/// What a challenge is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChallengeFor {
    /// To bind the session that a native client begins.
    Login,
    /// To offer a key for this session.
    Start(SessionId),
    /// To prove the key of this session.
    Proof(SessionId),
}

impl Challenges {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secrets.device_challenge()) }
    }

    /// A challenge of `now`, or of just after the one that was used `last`: a node whose clock is
    /// behind would otherwise refuse proof after proof.
    pub(crate) fn make(
        &self,
        what: ChallengeFor,
        now: Timestamp,
        last: Option<Timestamp>,
        random: &dyn Random,
    ) -> String {
        let after = last.map(|last| last + Duration::from_micros(1));
        let at = after.map_or(now, |after| after.max(now)).as_microsecond();
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&at.to_be_bytes());
        bytes.extend_from_slice(&random_bytes::<8>(random));
        let tag = hmac::sign(&self.key, &signed(what, &bytes));
        bytes.extend_from_slice(&tag.as_ref()[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// When this challenge was made, if we made it for this, and it may still be answered.
    pub(crate) fn made_at(
        &self,
        challenge: &str,
        what: ChallengeFor,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if challenge.len() != TEXT_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(challenge).ok()?;
        let (body, tag) = bytes.split_at_checked(BODY_BYTES)?;
        let expected = hmac::sign(&self.key, &signed(what, body));
        aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..TAG_BYTES], tag)
            .ok()?;
        let at = i64::from_be_bytes(*body.first_chunk()?);
        let at = Timestamp::from_microsecond(at).ok()?;
        (now <= at + Duration::from_secs(CHALLENGE_SECONDS)).then_some(at)
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges(..)")
    }
}

fn signed(what: ChallengeFor, body: &[u8]) -> Vec<u8> {
    let (purpose, session) = match what {
        ChallengeFor::Login => (b'l', 0),
        ChallengeFor::Start(session) => (b's', session.get()),
        ChallengeFor::Proof(session) => (b'p', session.get()),
    };
    [&[purpose], &session.to_be_bytes()[..], body].concat()
}

const BODY_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
const BYTES: usize = BODY_BYTES + TAG_BYTES;

/// 32 bytes in base64url.
const TEXT_BYTES: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsRandom;

    #[test]
    fn a_challenge_is_known_for_its_session_and_purpose_and_time() {
        let [ours, others] =
            ["c", "d"].map(|text| Challenges::new(&Secrets::from_text(&text.repeat(32)).unwrap()));
        let what = ChallengeFor::Proof(session(7));
        let challenge = ours.make(what, at(1_000), None, &OsRandom);
        assert_eq!(ours.made_at(&challenge, what, at(1_000)), Some(at(1_000)));
        assert_eq!(ours.made_at(&challenge, what, at(1_300)), Some(at(1_000)));
        assert_eq!(ours.made_at(&challenge, what, at(1_301)), None);
        assert_eq!(ours.made_at(&challenge, what, at(0)), Some(at(1_000)), "a clock went back");
        for other in
            [ChallengeFor::Login, ChallengeFor::Start(session(7)), ChallengeFor::Proof(session(8))]
        {
            assert_eq!(ours.made_at(&challenge, other, at(1_000)), None);
        }
        assert_eq!(others.made_at(&challenge, what, at(1_000)), None);
        for bad in ["", "x", &challenge[1..], &format!("{challenge}A"), &"é".repeat(43)] {
            assert_eq!(ours.made_at(bad, what, at(1_000)), None, "{bad}");
        }
        let mut later = URL_SAFE_NO_PAD.decode(&challenge).unwrap();
        later[7] += 1;
        assert_eq!(ours.made_at(&URL_SAFE_NO_PAD.encode(later), what, at(1_000)), None);
    }

    #[test]
    fn a_challenge_is_newer_than_the_last_one_that_was_used_whatever_the_clock_says() {
        let challenges = Challenges::new(&Secrets::from_text(&"c".repeat(32)).unwrap());
        let what = ChallengeFor::Proof(session(7));
        let challenge = challenges.make(what, at(1_000), Some(at(1_120)), &OsRandom);
        let made = challenges.made_at(&challenge, what, at(1_000)).unwrap();
        assert_eq!(made, at(1_120) + Duration::from_micros(1));
    }

    #[test]
    fn no_two_challenges_are_the_same() {
        let challenges = Challenges::new(&Secrets::from_text(&"c".repeat(32)).unwrap());
        let make = || challenges.make(ChallengeFor::Start(session(7)), at(1_000), None, &OsRandom);
        assert_ne!(make(), make());
    }

    fn session(id: u64) -> SessionId {
        SessionId::new(id).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }
}
