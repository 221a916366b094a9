//! Every door of this server asks the sign-in machine here, once a first step was proved.

use crate::auth::Auth;
use crate::http::problem::{Code, Problem};
use crate::sign_in::{Admission, Known, Next, Proof, Rules, decide};
use crate::token::device::DeviceId;
use crate::user::FoundUser;
use crate::user_directory::Candidate;

/// A user who has just proved who they are.
pub(crate) struct Checked {
    /// As the row was; its password is the one that was checked, encoded anew where that was done.
    pub(crate) found: FoundUser<Candidate>,
    /// When the row was read, in the reckoning of the cache.
    pub(crate) moment: u64,
    /// The known device that the token named.
    pub(crate) device: Option<DeviceId>,
}

/// Leave to begin a session for who has just proved this, on the row as it was read.
///
/// # Errors
/// `user_inactive`.
pub(crate) fn admitted(auth: &Auth, checked: &Checked, proof: Proof) -> Result<Admission, Problem> {
    match next(auth, checked, proof) {
        Next::Begin(admission) => Ok(admission),
        Next::Ask(_) | Next::Refuse(_) => Err(Problem::new(Code::UserInactive)),
    }
}

/// What comes next for who has just proved this. Nobody has a second factor yet.
pub(super) fn next(auth: &Auth, checked: &Checked, proof: Proof) -> Next {
    let may_enter = checked.found.user.account().is_active();
    let known = Known { may_enter, ..Known::default() };
    decide(&known, None, proof, Rules::default(), auth.now())
}
