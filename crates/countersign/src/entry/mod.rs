//! Who gets in: the check of a password, the session that begins, the tokens that are issued. What
//! login, refresh and an app's own doors share.

mod begin;
mod check_password;
mod issue;
mod own_password;
pub(crate) mod proof;
mod restore;
mod sign_in;

pub use begin::LoggedIn;
pub use check_password::{PasswordChecked, PasswordRefused};
pub use proof::Shown;
pub(crate) use proof::{Browser, browser_of};

pub(crate) use begin::{LoginResponse, TRIES, begin, shown_session};
pub(crate) use check_password::{LoginError, check, known_device, problem_of};
pub(crate) use issue::{Grant, Tokens, new_jti};
pub(crate) use own_password::OwnPassword;
pub(crate) use restore::restore;
pub(crate) use sign_in::{Checked, admitted};
