//! DPoP (RFC 9449) on the wire: what native clients send and are told in headers.

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use url::Url;

use super::device::Offer;
use super::problem::{Code, Problem};
use crate::auth::Auth;
use crate::clock::seconds;
use crate::session::device::{DeviceBinding, DeviceKind, DeviceRecord};
use crate::session::{SessionId, Transport};
use crate::token::proof::{ChallengeFor, DpopProof};

/// What a request shows of its client's key, in the header `DPoP`. A session that begins for a
/// native client is bound to that key.
///
/// ```
/// use countersign::http::{DpopShown, Peer};
///
/// assert!(!Peer::local().dpop.is_some());
/// assert!(!DpopShown::nothing().is_some());
/// ```
#[derive(Debug, Clone)]
pub struct DpopShown(Sent);

#[derive(Debug, Clone)]
enum Sent {
    Nothing,
    /// It is no proof, or is one of another request than this one, or there are several.
    Unreadable(String),
    Proof {
        proof: Box<DpopProof>,
        /// When it came. What takes long after that does not make it old.
        at: Timestamp,
    },
}

impl DpopShown {
    /// Nothing: for what no request asked for.
    ///
    /// ```
    /// assert!(!countersign::http::DpopShown::nothing().is_some());
    /// ```
    pub const fn nothing() -> Self {
        Self(Sent::Nothing)
    }

    /// Whether there is such a header.
    ///
    /// ```
    /// assert!(!countersign::http::DpopShown::nothing().is_some());
    /// ```
    pub const fn is_some(&self) -> bool {
        !matches!(self.0, Sent::Nothing)
    }

    /// What comes with this request. Its signature is verified.
    pub(crate) fn of(auth: &Auth, parts: &Parts) -> Self {
        let mut values = parts.headers.get_all(DPOP).into_iter();
        let Some(value) = values.next() else { return Self::nothing() };
        let path = format!("{}{}", auth.settings().home(), parts.uri.path());
        let address = Url::parse(&format!("{}{path}", auth.checked().public_origin));
        let Ok(address) = address else { return Self(Sent::Unreadable(path)) };
        let method = parts.method.as_str();
        let proof = match (value.to_str(), values.next()) {
            (Ok(text), None) => DpopProof::read(text, method, &address),
            _ => None,
        };
        Self(match proof {
            Some(proof) => Sent::Proof { proof: Box::new(proof), at: auth.now() },
            None => Sent::Unreadable(format!("{method} {address}")),
        })
    }

    /// What a session is to be bound to which begins with this request, if the client shows a key.
    ///
    /// # Errors
    /// `invalid_dpop_proof`; `use_dpop_nonce`, with a challenge.
    pub(crate) fn device(
        &self,
        auth: &Auth,
        transport: Transport,
    ) -> Result<Option<DeviceRecord>, Problem> {
        if transport == Transport::Cookie || !is_on(auth) {
            return Ok(None);
        }
        match &self.0 {
            Sent::Nothing => Ok(None),
            Sent::Unreadable(request) => Err(Problem::new(Code::InvalidDpopProof).detail(format!(
                "The header `DPoP` proves nothing: it must be one JWT of the type `dpop+jwt`, \
                 signed by the key in its `jwk` with ES256 or EdDSA, whose `htm` and `htu` say \
                 `{request}`."
            ))),
            Sent::Proof { proof, .. } => match self.answers(auth, ChallengeFor::Login) {
                Some(proof_at) => Ok(Some(DeviceRecord {
                    kind: DeviceKind::Dpop,
                    key: proof.key.to_string(),
                    confirmed_at: Some(auth.now()),
                    proof_at,
                })),
                None => Err(Problem::use_dpop_nonce(&challenge(auth, ChallengeFor::Login, None))),
            },
        }
    }

    /// The proof, if it is one.
    pub(crate) fn proof(&self) -> Option<&DpopProof> {
        match &self.0 {
            Sent::Proof { proof, .. } => Some(proof),
            Sent::Nothing | Sent::Unreadable(_) => None,
        }
    }

    /// The print of its key, in hexadecimal.
    pub(crate) fn print(&self) -> Option<String> {
        let print = self.proof()?.key.print();
        Some(print.0.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// When the challenge was made that the proof answers, if it was made for this, and both are
    /// new.
    pub(crate) fn answers(&self, auth: &Auth, what: ChallengeFor) -> Option<Timestamp> {
        let Sent::Proof { proof, at } = &self.0 else { return None };
        let nonce = proof.nonce.as_deref().filter(|_| proof.is_of(seconds(*at)))?;
        auth.challenges().made_at(nonce, what, *at)
    }
}

/// Whether native clients bind their sessions: whatever the scheme of the public URL, as they do it
/// themselves.
pub(crate) fn is_on(auth: &Auth) -> bool {
    auth.settings().device_binding != DeviceBinding::Off
}

/// The 400 that asks for a proof of the session's key with this challenge.
pub(crate) fn asked_again(auth: &Auth, session: SessionId, device: &DeviceRecord) -> Problem {
    let what = ChallengeFor::Proof(session);
    Problem::use_dpop_nonce(&challenge(auth, what, Some(device.proof_at)))
}

/// The header with the challenge for the next refresh of a session whose device has proved itself
/// with the challenge of `last`.
pub(crate) fn next_nonce(auth: &Auth, session: SessionId, last: Timestamp) -> Offer {
    let challenge = challenge(auth, ChallengeFor::Proof(session), Some(last));
    // A challenge is base64url.
    Offer::new(DPOP_NONCE, HeaderValue::try_from(challenge).expect("visible ASCII characters"))
}

fn challenge(auth: &Auth, what: ChallengeFor, last: Option<Timestamp>) -> String {
    auth.challenges().make(what, auth.now(), last, auth.random())
}

const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
