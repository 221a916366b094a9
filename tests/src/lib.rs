//! The fixtures of the black-box tests: a real server with its data directory, and clients that
//! speak real HTTP.
//!
//! ```no_run
//! use countersign_e2e::TestServer;
//!
//! let server = TestServer::start();
//! server.user("alice");
//! let mut browser = server.browser();
//! browser.login("alice").expect(200);
//! browser.get("/accounts/profile").expect(200);
//! ```

mod authenticator;
mod browser;
mod commands;
mod desk;
mod device_key;
mod enrolled;
mod http;
mod mailbox;
mod native;
mod phone;
mod program;
pub mod receiver;
mod road;
mod soft_key;
mod test_server;
mod token;
mod wire;

pub use authenticator::Authenticator;
pub use browser::Browser;
pub use commands::{Finished, eventually, python, read_all};
pub use countersign_testkit::{Cluster, TestClock, clock_off_by};
pub use desk::{Desk, input};
pub use device_key::{DeviceKey, challenge, offer};
pub use enrolled::Enrolled;
pub use http::{Request, Response};
pub use mailbox::{Mailbox, ReadMail};
pub use native::Native;
pub use phone::Phone;
pub use program::Program;
pub use road::Road;
pub use soft_key::SoftKey;
pub use test_server::{ISSUER, PASSWORD, TestServer, TestServerBuilder};
pub use token::{Forge, claims_of, segments};
pub use wire::Wire;
