//! The gate: who is signed in, and whether a form comes from a page of ours.
//!
//! A handler that takes [`Staff`] cannot be reached by anybody else, and one that takes [`Posted`]
//! only by a form with the session's CSRF token.

mod address;
mod confirm;
mod enter;
mod posted;
mod shown;
mod staff;
mod token;

pub(crate) use address::{Path, Query};
pub(crate) use enter::{enter, note};
pub(crate) use posted::{Posted, PreSession};
pub(crate) use shown::{CODE_MAX_CHARS, passkey_of, shown};
pub(crate) use staff::Staff;
pub(crate) use token::{
    Token, no_pending_cookie, no_session_cookie, pending_cookie, pre_session_cookie,
};
