//! Who may begin a session with a request, as far as the request itself says.

use axum::http::HeaderMap;

use super::guard::{native, source};
use super::peer::Peer;
use super::problem::Problem;
use crate::auth::Auth;
use crate::session::Transport;

/// Where a request comes from that is to begin a session. Which kind of session is in its body, and
/// a body is not read for a page that may begin none.
pub(crate) struct Sender {
    own_page: Result<(), Problem>,
    native: Result<(), Problem>,
}

impl Sender {
    /// # Errors
    /// `csrf_failed` for who may begin neither kind.
    pub(crate) fn of(auth: &Auth, headers: &HeaderMap) -> Result<Self, Problem> {
        let sender = Self { own_page: source(auth, headers), native: native(auth, headers) };
        if sender.native.is_err() {
            sender.own_page.clone()?;
        }
        Ok(sender)
    }

    /// Refuses who may not begin a session of this kind. A native client that shows its key shows
    /// it well, before anything is used up.
    ///
    /// # Errors
    /// `csrf_failed`, `invalid_dpop_proof`, `use_dpop_nonce`.
    pub(crate) fn may_begin(
        &self,
        auth: &Auth,
        peer: &Peer,
        transport: Transport,
    ) -> Result<(), Problem> {
        match transport {
            Transport::Cookie => self.own_page.clone(),
            Transport::Body => {
                self.native.clone()?;
                peer.dpop.device(auth, transport).map(drop)
            }
        }
    }
}
