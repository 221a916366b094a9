//! The evidence for sessions that are bound to a device: honest browsers whose starts and proofs
//! are late or lost, and thieves with the whole jar.

mod browser;
mod promises;
pub(crate) mod server;
mod theft;

pub(crate) use promises::{Kept, NETWORKS, Stolen, THEFTS, cast, honest};
pub(crate) use server::Rules;
