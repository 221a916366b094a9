//! What the tests of several crates need. It knows none of them, so each may lean on it.
//!
//! ```no_run
//! use countersign_testkit::Cluster;
//!
//! let url = Cluster::shared().database(); // empty, and of this test alone
//! assert!(url.starts_with("postgres://"));
//! ```

mod clock;
mod postgres;

pub use clock::{TestClock, clock_off_by};
pub use postgres::Cluster;
