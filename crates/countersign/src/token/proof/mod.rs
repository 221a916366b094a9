//! What a device proves itself with: its public key, the signed proof, the challenge that it signs,
//! and the ticket that we sign of a proof.
//!
//! A browser's proof says nothing but the challenge, so the challenge has to say all: for whom it
//! was made, what for, and when. None is kept; each is told to be ours by its tag.

mod challenge;
mod dpop;
mod jws;
mod key;
mod ticket;

pub(crate) use challenge::{ChallengeFor, Challenges};
pub(crate) use dpop::DpopProof;
pub(crate) use jws::{DBSC, DeviceJws};
pub(crate) use key::DeviceKey;
pub(crate) use ticket::Tickets;
