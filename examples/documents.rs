//! The Rust code in the pages of `docs/`, so that it compiles: `cargo test --doc -p
//! countersign-examples`.
//!
//! It is here and not in the libraries, whose packages do not hold those pages.

#[cfg(doctest)]
#[doc = include_str!("../docs/library/README.md")]
mod library {}

#[cfg(doctest)]
#[doc = include_str!("../docs/library/events.md")]
mod events {}

#[cfg(doctest)]
#[doc = include_str!("../docs/library/existing-app.md")]
mod existing_app {}

#[cfg(doctest)]
#[doc = include_str!("../docs/library/pages.md")]
mod pages {}

#[cfg(doctest)]
#[doc = include_str!("../docs/library/permissions.md")]
mod permissions {}

#[cfg(doctest)]
#[doc = include_str!("../docs/library/registration.md")]
mod registration {}

#[cfg(doctest)]
#[doc = include_str!("../docs/library/streams.md")]
mod streams {}

#[cfg(doctest)]
#[doc = include_str!("../docs/library/users.md")]
mod users {}

#[cfg(doctest)]
#[doc = include_str!("../docs/verify/rust.md")]
mod verify {}
