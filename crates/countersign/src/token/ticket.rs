use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::session::SessionId;
use crate::token::{Secrets, TicketId};

/// What a ticket is for, beside what its maker says: what is signed and not told.
#[derive(Clone, Copy)]
pub(crate) struct TicketFor<'a> {
    /// The server: several on one store may have users under the same ids.
    pub(crate) issuer: &'a str,
    /// What its maker says.
    pub(crate) purpose: &'a str,
}

/// What a ticket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) id: TicketId,
    pub(crate) session: SessionId,
    /// When it was made, in whole seconds since 1970.
    pub(crate) at: u64,
}

/// Makes tickets and knows them again: the session, the time, 128 random bits, and the first half
/// of the HMAC-SHA256 of these and of what it is for, under a key of their own.
pub(crate) struct TicketTokens {
    key: hmac::Key,
}

impl TicketTokens {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secrets.ticket()) }
    }

    pub(crate) fn sign(&self, ticket: Ticket, what: TicketFor<'_>) -> String {
        let mut bytes = Vec::with_capacity(BODY_BYTES + TAG_BYTES);
        bytes.extend_from_slice(&ticket.session.get().to_be_bytes());
        bytes.extend_from_slice(&ticket.at.to_be_bytes());
        bytes.extend_from_slice(&ticket.id.0);
        let tag = hmac::sign(&self.key, &signed(&bytes, what));
        bytes.extend_from_slice(&tag.as_ref()[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A ticket that we made for this, and that is not too old. One from the future is of a node
    /// whose clock is ahead.
    pub(crate) fn verify(&self, text: &str, what: TicketFor<'_>, now: u64) -> Option<Ticket> {
        if text.len() != TEXT_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, tag) = bytes.split_at_checked(BODY_BYTES)?;
        let expected = hmac::sign(&self.key, &signed(body, what));
        aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..TAG_BYTES], tag)
            .ok()?;
        let (session, rest) = body.split_first_chunk()?;
        let (at, id) = rest.split_first_chunk()?;
        let at = u64::from_be_bytes(*at);
        let is_good =
            now <= at.saturating_add(TICKET_SECONDS) && at <= now.saturating_add(AHEAD_SECONDS);
        is_good.then_some(Ticket {
            id: TicketId(id.try_into().ok()?),
            session: SessionId::new(u64::from_be_bytes(*session))?,
            at,
        })
    }
}

impl fmt::Debug for TicketTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketTokens(..)")
    }
}

/// No text runs over into the next: the issuer has its length before it.
fn signed(body: &[u8], TicketFor { issuer, purpose }: TicketFor<'_>) -> Vec<u8> {
    let length = (issuer.len() as u64).to_be_bytes();
    [body, &length, issuer.as_bytes(), purpose.as_bytes()].concat()
}

/// How long a ticket may be shown.
pub(crate) const TICKET_SECONDS: u64 = 30;

/// How far ahead another node's clock may be.
const AHEAD_SECONDS: u64 = 60;

const BODY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// 48 bytes in base64url.
const TEXT_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_its_time_its_server_and_its_purpose() {
        let [ours, others] = ["t", "u"]
            .map(|text| TicketTokens::new(&Secrets::from_text(&text.repeat(32)).unwrap()));
        let text = ours.sign(ticket(), HERE);
        for (now, is_good) in
            [(939, false), (940, true), (1_000, true), (1_030, true), (1_031, false)]
        {
            assert_eq!(ours.verify(&text, HERE, now), is_good.then_some(ticket()), "{now}");
        }
        assert_eq!(others.verify(&text, HERE, 1_000), None);
        for other in [
            TicketFor { purpose: "", ..HERE },
            TicketFor { purpose: "chats", ..HERE },
            TicketFor { issuer: "b", ..HERE },
            TicketFor { issuer: "ac", purpose: "hat" },
        ] {
            assert_eq!(ours.verify(&text, other, 1_000), None);
        }
        assert_eq!(format!("{ours:?}"), "TicketTokens(..)");
    }

    #[test]
    fn no_bit_of_it_can_be_changed() {
        let tokens = TicketTokens::new(&Secrets::from_text(&"t".repeat(32)).unwrap());
        let text = tokens.sign(ticket(), HERE);
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for place in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[place] ^= 1;
            let bent = URL_SAFE_NO_PAD.encode(bent);
            assert_eq!(tokens.verify(&bent, HERE, 1_000), None, "{place}");
        }
        for bad in ["", "x", &text[1..], &format!("{text}A"), &"é".repeat(32)] {
            assert_eq!(tokens.verify(bad, HERE, 1_000), None, "{bad}");
        }
    }

    fn ticket() -> Ticket {
        Ticket { id: TicketId([7; 16]), session: SessionId::new(7).unwrap(), at: 1_000 }
    }

    const HERE: TicketFor<'_> = TicketFor { issuer: "a", purpose: "chat" };
}
