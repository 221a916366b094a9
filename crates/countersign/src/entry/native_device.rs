//! What a native client shows of its device with a refresh (DPoP, RFC 9449).

use jiff::Timestamp;

use crate::auth::Auth;
use crate::clock::seconds;
use crate::http::dpop::{asked_again, is_on};
use crate::http::peer::Peer;
use crate::http::problem::Problem;
use crate::session::device::{DeviceKind, DeviceRecord, Shown, Ticket};
use crate::session::{SessionId, Transport};
use crate::store::{DeviceProof, StoreError};
use crate::token::proof::ChallengeFor;

/// The session's device, whose key has signed this request. It has not proved itself yet: the
/// request may be an old one.
pub(crate) struct NativeDevice {
    session: SessionId,
    device: DeviceRecord,
}

impl NativeDevice {
    /// The device of a live session, if the request is signed by its key. A signature by any other
    /// says nothing, as it says nothing of a session that is bound to none.
    pub(crate) async fn of(
        auth: &Auth,
        peer: &Peer,
        session: SessionId,
    ) -> Result<Option<Self>, StoreError> {
        let Some(proof) = peer.dpop.proof().filter(|_| is_on(auth)) else { return Ok(None) };
        let row = auth.store().session(session).await?;
        let device = row
            .filter(|row| {
                row.transport == Transport::Body
                    && row.revoked.is_none()
                    && auth.seconds() < seconds(row.expires_at)
            })
            .and_then(|row| row.device)
            .filter(|device| device.kind == DeviceKind::Dpop);
        let device = device.filter(|device| device.key == proof.key.to_string());
        Ok(device.map(|device| Self { session, device }))
    }

    /// Uses the proof's challenge up: what is shown by it, and when the challenge was made.
    ///
    /// # Errors
    /// `use_dpop_nonce`, with another challenge, where this one was used, is too old or is none.
    pub(crate) async fn prove(
        self,
        auth: &Auth,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<(Shown, Timestamp), Problem> {
        let Self { session, device } = self;
        let answered = peer.dpop.answers(auth, ChallengeFor::Proof(session));
        let Some(challenge_at) = answered else { return Err(asked_again(auth, session, &device)) };
        let print = device.device().key;
        let proof = DeviceProof {
            session,
            key: device.key.clone(),
            challenge_at,
            window: auth.settings().race_window,
            now,
        };
        if !auth.store().prove_device(proof).await? {
            // What used this one up may be a newer one, of which a challenge must be newer still.
            let row = auth.store().session(session).await?;
            let device = row.and_then(|row| row.device).unwrap_or(device);
            return Err(asked_again(auth, session, &device));
        }
        let ticket = Ticket { key: print, proved_at: seconds(now) };
        Ok((by_native(auth, Some(ticket)), challenge_at))
    }
}

/// What a native client shows with a refresh.
pub(crate) fn by_native(auth: &Auth, ticket: Option<Ticket>) -> Shown {
    Shown { ticket, is_skipped: false, binding: auth.settings().device_binding }
}
