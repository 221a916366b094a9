//! The fixtures of the black-box tests: a world with a real server in it, and clients that speak
//! real HTTP.
//!
//! ```no_run
//! use countersign_e2e::World;
//!
//! let world = World::start();
//! world.user("alice");
//! let mut browser = world.browser();
//! browser.login("alice").expect(200);
//! browser.get("/accounts/profile").expect(200);
//! ```

mod browser;
mod desk;
mod http;
mod mailbox;
mod native;
mod program;
mod road;
mod token;
mod wire;
mod world;

pub use browser::Browser;
pub use countersign_testkit::{Cluster, TestClock, clock_off_by};
pub use desk::{Desk, input};
pub use http::{Request, Response};
pub use mailbox::{Mailbox, ReadMail};
pub use native::Native;
pub use program::Program;
pub use road::Road;
pub use token::{Forge, claims_of, segments};
pub use wire::Wire;
pub use world::{Finished, ISSUER, PASSWORD, World, WorldBuilder, eventually, python, read_all};
