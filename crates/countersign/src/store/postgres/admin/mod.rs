//! What the admin site asks of PostgreSQL.

mod access;
mod activity;
pub(super) mod audit;
mod factor_import;
mod factor_removal;
mod first_link;
mod hooks;
mod keys;
mod links;
mod lists;
mod once;
mod operators;
mod service_token_row;
mod service_tokens;
mod sessions;
pub(super) mod users;
