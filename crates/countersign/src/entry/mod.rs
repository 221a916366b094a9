//! Who gets in: the check of a password, the session that begins, the tokens that are issued. What
//! login, refresh and an app's own doors share.

mod begin;
mod check_password;
mod enrolment;
mod issue;
mod own_password;
mod pages;
mod passkey;
pub(crate) mod proof;
mod restore;
mod second_factor;
mod sign_in;

pub use begin::LoggedIn;
pub use pages::{PasswordChecked, PasswordRefused};
pub use proof::Shown;
pub(crate) use proof::{Browser, browser_of};
pub use second_factor::{FactorRefused, FactorShown};

pub(crate) use begin::{LoginResponse, TRIES, begin, shown_session};
pub(crate) use check_password::{LoginError, check, known_device, problem_of};
pub(crate) use enrolment::{
    EnrolledResponse, FactorResponse, enrolled, factor_notice, recovery_codes,
};
pub(crate) use issue::{Access, AccessToken, Grant, Tokens, new_jti};
pub(crate) use own_password::OwnPassword;
pub(crate) use passkey::{NoSigner, PasskeyPrompt, Signer, credentials, signer};
pub(crate) use restore::restore;
pub(crate) use second_factor::{
    check as check_shown, count as count_factor, device_name, notices, second_step, waiting,
};
pub(crate) use sign_in::{Checked, Door, admitted};
