use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::session::SessionId;
use crate::session::device::{KeyPrint, Ticket};
use crate::token::Secrets;

/// Signs and verifies tickets: the session, the second of the proof and the key's print, with the
/// HMAC-SHA256 of these under a key of their own.
pub(crate) struct Tickets {
    key: hmac::Key,
}

impl Tickets {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secrets.device_ticket()) }
    }

    pub(crate) fn sign(&self, session: SessionId, ticket: Ticket) -> String {
        let mut bytes = Vec::with_capacity(BODY_BYTES + TAG_BYTES);
        bytes.extend_from_slice(&session.get().to_be_bytes());
        bytes.extend_from_slice(&ticket.proved_at.to_be_bytes());
        bytes.extend_from_slice(&ticket.key.0);
        let tag = hmac::sign(&self.key, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A ticket that we signed for this session, whatever the time.
    pub(crate) fn verify(&self, text: &str, session: SessionId) -> Option<Ticket> {
        if text.len() != TEXT_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, tag) = bytes.split_at_checked(BODY_BYTES)?;
        hmac::verify(&self.key, body, tag).ok()?;
        let (owner, rest) = body.split_first_chunk()?;
        let (proved_at, key) = rest.split_first_chunk()?;
        (u64::from_be_bytes(*owner) == session.get()).then_some(Ticket {
            key: KeyPrint(key.try_into().ok()?),
            proved_at: u64::from_be_bytes(*proved_at),
        })
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets(..)")
    }
}

const BODY_BYTES: usize = 32;
const TAG_BYTES: usize = 32;

/// 64 bytes in base64url.
const TEXT_BYTES: usize = 86;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_comes_back_for_its_own_session_and_unchanged_alone() {
        let [ours, others] =
            ["t", "u"].map(|text| Tickets::new(&Secrets::from_text(&text.repeat(32)).unwrap()));
        let (own, other) = (SessionId::new(7).unwrap(), SessionId::new(8).unwrap());
        let ticket = Ticket { key: KeyPrint::of("a key"), proved_at: 1_780_000_000 };
        let text = ours.sign(own, ticket);
        assert_eq!(ours.verify(&text, own), Some(ticket));
        assert_eq!(ours.verify(&text, other), None);
        assert_eq!(others.verify(&text, own), None);
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for place in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[place] ^= 1;
            assert_eq!(ours.verify(&URL_SAFE_NO_PAD.encode(bent), own), None, "{place}");
        }
        for bad in ["", "x", &text[1..], &format!("{text}A"), &"é".repeat(43)] {
            assert_eq!(ours.verify(bad, own), None, "{bad}");
        }
    }
}
