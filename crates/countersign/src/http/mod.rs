//! What every flow shares on the wire: problem details, cookies, who is asking and from where.
//!
//! This room alone knows status codes and header names.

pub(crate) mod authenticated;
pub mod client_address;
pub mod cookies;
pub mod cors;
pub(crate) mod fields;
pub(crate) mod guard;
pub mod origin;
pub(crate) mod peer;
pub(crate) mod problem;
pub mod source;

pub use fields::BODY_LIMIT;
pub use peer::Peer;
pub use problem::{Code, Problem, method_not_allowed, not_found};
