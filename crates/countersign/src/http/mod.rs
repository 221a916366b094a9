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
#[doc(hidden)]
pub mod cors;
pub(crate) mod describe;
pub(crate) mod device;
#[cfg(doctest)]
mod does_not_compile;
pub(crate) mod dpop;
pub(crate) mod fields;
pub(crate) mod form_token;
pub(crate) mod guard;
pub(crate) mod page;
pub(crate) mod peer;
pub(crate) mod problem;
pub(crate) mod refresh_token;
pub(crate) mod request;
pub(crate) mod sender;
pub(crate) mod to_its_end;
pub(crate) mod unparsed_body;
pub(crate) mod whole_body;

#[doc(hidden)]
pub use countersign_verify::{Drained, bearer};
pub use device::keeping_the_binding;
pub use dpop::DpopShown;
#[doc(hidden)]
pub use fields::{parse_fields, read_fields};
pub use page::CsrfField;
pub use peer::Peer;
pub use problem::{Code, OwnCode, Problem, method_not_allowed, not_found};
#[doc(hidden)]
pub use to_its_end::ToItsEnd;
#[doc(hidden)]
pub use unparsed_body::{BODY_LIMIT, UnparsedBody, is_no_other_charset, is_plain};
#[doc(hidden)]
pub use whole_body::{NotWhole, whole_body};

pub use crate::web::next_page::NextPage;
