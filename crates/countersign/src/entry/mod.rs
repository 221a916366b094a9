//! Who gets in: the check of a password, the session that begins, the tokens that are issued. What
//! login, refresh and an app's own doors share.

mod begin;
mod check_password;
mod enrolment;
mod introspect;
mod issue;
mod log_out;
mod look;
mod native_device;
mod own_change;
mod own_password;
mod pages;
mod passkey;
pub(crate) mod proof;
mod protect_pages;
mod restore;
mod rotate;
mod second_factor;
mod sign_in;
mod ticket;

pub use begin::LoggedIn;
pub use introspect::Introspection;
pub use log_out::LoggedOut;
pub use pages::{PasswordChecked, PasswordRefused};
pub use proof::Shown;
pub(crate) use proof::{Browser, browser_of};
pub use second_factor::{FactorRefused, FactorShown};
pub use ticket::Ticket;

pub(crate) use begin::{LoginResponse, TRIES, begin};
pub(crate) use check_password::{LoginError, check, known_device, problem_of};
pub(crate) use enrolment::{
    EnrolledResponse, FactorResponse, enrolled, factor_notice, no_room, recovery_codes,
    room_for_one,
};
pub(crate) use issue::{Access, AccessToken, RefreshResponse, csrf_cookie, is_bound};
pub(crate) use log_out::end_session;
pub(crate) use look::look;
pub(crate) use native_device::{NativeDevice, by_native};
pub(crate) use own_change::{asker, bounds_of_account, done};
pub(crate) use own_password::OwnPassword;
pub(crate) use passkey::{NoSigner, PasskeyPrompt, Signer, credentials, signer};
pub(crate) use restore::restore;
pub(crate) use rotate::{Refreshed, Shows, rotate, within_limit};
pub(crate) use second_factor::{
    check as check_shown, count as count_factor, device_name, notices, second_step, waiting,
};
pub(crate) use sign_in::{Checked, Door, admitted, admitted_with, must_prove_address};
pub(crate) use ticket::in_query;
