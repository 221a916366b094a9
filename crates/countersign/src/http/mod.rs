//! What every flow shares on the wire: problem details, bodies, who is asking and from where.
//!
//! This room alone knows status codes and header names.
//!
//! ```
//! use axum::Router;
//! use countersign::http::{Code, Peer, Problem, method_not_allowed, not_found};
//!
//! async fn order(client: Peer) -> Result<String, Problem> {
//!     Err(Problem::new(Code::NotFound)
//!         .detail(format!("There is no such order for {}.", client.ip)))
//! }
//!
//! let app: Router =
//!     Router::new().fallback(not_found).method_not_allowed_fallback(method_not_allowed);
//! ```

pub(crate) mod answer;
pub(crate) mod authenticated;
pub mod cors;
pub(crate) mod describe;
pub(crate) mod device;
#[cfg(doctest)]
mod does_not_compile;
pub(crate) mod fields;
pub(crate) mod guard;
pub(crate) mod peer;
pub(crate) mod problem;
pub(crate) mod refresh_token;
pub(crate) mod request;

pub use countersign_verify::Drained;
pub use device::{is_device_refresh, keeping_the_binding};
pub use fields::{BODY_LIMIT, is_no_other_charset, is_plain};
pub use peer::Peer;
pub use problem::{Code, OwnCode, Problem, method_not_allowed, not_found};
