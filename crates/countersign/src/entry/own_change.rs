//! What users ask for of their own rows: who asks, and why nothing was done.

use crate::auth::Auth;
use crate::http::authenticated::Authenticated;
use crate::http::problem::{Code, Problem};
use crate::store::{Asker, ChangeAsked, MailBounds, SeenAddress};
use crate::user_directory::Candidate;

/// Who asks in this session. With what was `seen` of their row, the address is replaced.
pub(crate) fn asker(auth: &Auth, who: &Authenticated, seen: Option<&Candidate>) -> Asker {
    // A row elsewhere cannot be looked at in the transaction.
    let seen = seen.filter(|seen| seen.is_in_the_store()).map(|seen| SeenAddress {
        address: seen.account().email().to_owned(),
        is_proved: seen.account().email_verified(),
    });
    Asker { user: who.user().id(), session: who.claims().sid, seen, now: auth.now() }
}

/// How much one account may ask for, with these bounds of its mails.
pub(crate) fn bounds_of_account(auth: &Auth, mails: MailBounds) -> MailBounds {
    MailBounds { tokens_an_hour: auth.post().bounds().an_hour, ..mails }
}

/// Nothing, where it was done.
pub(crate) fn done(asked: ChangeAsked) -> Result<(), Problem> {
    Err(match asked {
        ChangeAsked::Done => return Ok(()),
        ChangeAsked::SessionEnded => Problem::new(Code::SessionRevoked),
        ChangeAsked::TooMany => Problem::new(Code::Throttled).retry_after(HOUR_SECONDS),
        ChangeAsked::Stale => Problem::new(Code::Conflict).detail(STALE),
    })
}

const STALE: &str = "The address was changed meanwhile, and not by this request. Look at the \
                     profile, and try again.";
const HOUR_SECONDS: u32 = 3_600;
