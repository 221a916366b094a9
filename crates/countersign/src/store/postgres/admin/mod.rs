//! What the admin site asks of PostgreSQL.

mod access;
mod activity;
mod audit;
mod first_link;
mod keys;
mod lists;
mod operators;
mod sessions;
pub(super) mod users;
