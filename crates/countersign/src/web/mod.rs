//! What requests carry, as values: origins, cookies, the client's address. Functions of their
//! arguments, which know nothing of [`Auth`](crate::Auth).
//!
//! ```
//! use countersign::web::origin::Origins;
//!
//! let origins = Origins::parse(["https://*.example.com"]).unwrap();
//! assert!(origins.allows("https://app.example.com"));
//! ```

#[doc(hidden)]
pub mod client_address;
pub mod cookies;
#[doc(hidden)]
pub mod etag;
pub(crate) mod header_list;
pub(crate) mod next_page;
pub mod origin;
#[doc(hidden)]
pub mod percent;
#[doc(hidden)]
pub mod source;
