//! Second factors that were sealed under another secret: who has them, and how they go.

use countersign::factor::FactorKeys;
use countersign::store::admin::UserSearch;
use countersign::store::{NewMail, StoredFactor};
use countersign::user::{User, UserId};

use super::Operator;
use crate::command_error::CommandError;
use crate::services::Services;

/// Who was looked at, and who has factors that do not open.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) looked_at: u64,
    pub(crate) users: Vec<UserId>,
}

/// Looks for users with factors that do not open, among `most` of those who have some.
///
/// # Errors
/// The store's.
pub(crate) async fn unreadable(
    services: &Services,
    keys: &FactorKeys,
    most: Option<u64>,
) -> Result<Unreadable, CommandError> {
    let mut found = Unreadable { looked_at: 0, users: Vec::new() };
    let mut search =
        UserSearch { second_factor: Some(true), limit: USERS, ..UserSearch::default() };
    loop {
        let page = services.store.find_users(&search).await?;
        for user in page.rows {
            if most.is_some_and(|most| found.looked_at >= most) {
                return Ok(found);
            }
            found.looked_at += 1;
            let factors = services.store.factors_of(user.id).await?.factors;
            if factors.iter().any(|factor| is_shut(factor, user.id, keys)) {
                found.users.push(user.id);
            }
        }
        if page.next.is_none() {
            return Ok(found);
        }
        search.from = page.next;
    }
}

/// What the factors of this installation are sealed under, by a secret that is known to be its
/// own: under another one everybody's would seem to be unreadable.
///
/// # Errors
/// Signing keys that do not open with the secret, or none that could tell; and the store's.
pub(crate) async fn own_keys(services: &Services) -> Result<FactorKeys, CommandError> {
    let (now, keys) = (services.clock.now(), services.store.keys().await?);
    let mut live = keys.iter().filter(|key| key.is_live(now)).peekable();
    if live.peek().is_none() {
        return Err(CommandError::new(
            "there is no signing key that could tell whether the secret is the right one; start \
             the server once",
        ));
    }
    let secrets = services.secrets().await?;
    for key in live {
        key.open(&secrets)?;
    }
    Ok(FactorKeys::new(&secrets)?)
}

/// Whether somebody has enrolled this factor and nobody can use it.
fn is_shut(factor: &StoredFactor, user: UserId, keys: &FactorKeys) -> bool {
    factor.is_enrolled && !keys.opens(&factor.sealed, factor.id, user)
}

impl Operator<'_> {
    /// Removes the factors of a user that do not open, and ends the user's sessions; how many
    /// factors. Where none of them opens, the recovery codes go too.
    ///
    /// # Errors
    /// [`AdminError::Gone`](countersign::store::admin::AdminError::Gone), and the store's.
    pub(crate) async fn remove_unreadable(
        &self,
        user: &User,
        keys: &FactorKeys,
        mut mails: Vec<NewMail>,
    ) -> Result<u64, CommandError> {
        let factors = self.store.factors_of(user.id).await?.factors;
        let mut enrolled = factors.iter().filter(|factor| factor.is_enrolled);
        let shut: Vec<_> =
            enrolled.clone().filter(|factor| is_shut(factor, user.id, keys)).collect();
        if shut.is_empty() {
            return Ok(0);
        }
        if enrolled.all(|factor| is_shut(factor, user.id, keys)) {
            return Ok(self.reset_factors(user.id, mails).await?);
        }
        for factor in &shut {
            // The user is told once.
            self.remove_factor(user.id, factor.id, std::mem::take(&mut mails)).await?;
        }
        Ok(shut.len() as u64)
    }
}

/// Users that are read at once.
const USERS: u32 = 100;
