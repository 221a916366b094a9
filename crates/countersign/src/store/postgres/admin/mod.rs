//! What the admin site asks of PostgreSQL.

mod access;
mod activity;
pub(super) mod audit;
mod first_link;
mod keys;
mod links;
mod lists;
mod operators;
mod sessions;
pub(super) mod users;
