//! Letters to users: who writes them, what can be sent to whom, and why one was not.

use countersign::store::admin::UserRecord;

use super::page_error::PageError;
use crate::admin::site::Admin;
use crate::operate::people::{Desk, NotSent};

/// Who writes letters for this server.
///
/// # Errors
/// A secret that cannot be read.
pub(crate) async fn desk(admin: &Admin) -> Result<Desk, PageError> {
    let can_mail = admin.auth.can_mail();
    Desk::with(&admin.services, &admin.settings, can_mail).await.map_err(|failure| {
        tracing::error!(error = failure.sentence(), "no letter can be written");
        PageError::Unavailable
    })
}

/// A letter that can be sent: the word in the form, and the text of its button.
pub(crate) type Offer = (&'static str, &'static str);

/// What can be sent to this user, or done about their address. `waits`: whether they have one to
/// prove that is not theirs yet.
pub(crate) fn offers(admin: &Admin, record: &UserRecord, waits: bool) -> Vec<Offer> {
    let user = &record.user;
    let mut offers = Vec::new();
    if waits && user.is_active && admin.auth.can_mail() {
        return vec![("verify", "Send a link that proves the address")];
    }
    if user.email.is_empty() || !user.is_active {
        return offers;
    }
    if admin.auth.can_mail() {
        if !user.email_verified {
            offers.push(("verify", "Send a link that proves the address"));
        }
        if record.has_usable_password {
            offers.push(("reset", "Send a link for a new password"));
        } else {
            offers.push(("invitation", "Send a link for the first password"));
        }
    }
    if !user.email_verified {
        offers.push(("mark", "Take the address as proved"));
    }
    offers
}

/// The page that says why nothing was sent.
pub(crate) fn not_sent(why: NotSent) -> PageError {
    match why {
        NotSent::Act(error) => error.into(),
        NotSent::Seal(error) => {
            tracing::error!(%error, "a letter could not be sealed");
            PageError::Unavailable
        }
        why => {
            let said = why.to_string();
            let mut letters = said.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase()).into_iter();
            PageError::conflict(format!("{}.", first.chain(letters).collect::<String>()))
        }
    }
}
