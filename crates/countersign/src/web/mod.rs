//! What requests carry, as values: origins, cookies, the client's address. Functions of their
//! arguments, which know nothing of [`Auth`](crate::Auth).
//!
//! ```
//! use countersign::web::origin::Origins;
//!
//! let origins = Origins::parse(["https://*.example.com"]).unwrap();
//! assert!(origins.allows("https://app.example.com"));
//! ```

pub mod client_address;
pub mod cookies;
pub mod etag;
pub(crate) mod header_list;
pub mod origin;
pub mod percent;
pub mod source;
