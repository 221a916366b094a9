//! Somebody comes back who asked to be deleted.

use crate::auth::Auth;
use crate::http::peer::Peer;
use crate::http::problem::Problem;
use crate::user::FoundUser;
use crate::user_directory::Candidate;

/// Takes the plan to delete this user back, whose password was right. Where it is another by now,
/// or nobody waits any more, nothing is done: whoever logs in is checked again.
pub(crate) async fn restore(
    auth: &Auth,
    found: FoundUser<Candidate>,
    peer: &Peer,
) -> Result<(), Problem> {
    let (user, now) = (found.user.account().id(), auth.now());
    if auth.store().restore_user(user, &found.password, now, Some(peer.ip)).await? {
        auth.catch_up().await?;
        auth.events().on_restored(&peer.event(now, Some(found.user.account()), None));
        tracing::info!(%user, ip = %peer.ip, "a user who waited to be deleted came back");
    }
    Ok(())
}
