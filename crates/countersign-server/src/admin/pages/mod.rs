//! The pages: one file each, with its template of the same name. No page imports another.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod audit_csv;
pub(crate) mod bulk;
pub(crate) mod dashboard;
pub(crate) mod first_user;
pub(crate) mod groups;
pub(crate) mod keys;
pub(crate) mod permissions;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod user_add;
pub(crate) mod user_edit;
pub(crate) mod user_password;
pub(crate) mod users;
pub(crate) mod users_csv;
