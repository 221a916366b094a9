//! Service tokens, which programs that manage users show.

use std::collections::HashSet;
use std::time::Duration;

use countersign::store::StoreError;
use countersign::store::admin::{
    AdminError, NewServiceToken, Powers, ServiceTokenRow, UserAdmin, Who,
};
use countersign::token::ServiceToken;
use countersign::user::UserId;
use ipnet::IpNet;
use jiff::Timestamp;

use super::Operator;
use super::groups::group_id;
use crate::admin::rules::Permit;
use crate::command_error::CommandError;
use crate::services::Services;

/// The token that is asked for.
#[derive(Debug)]
pub(crate) struct TokenAsked {
    pub(crate) name: String,
    pub(crate) powers: Powers,
    pub(crate) networks: Vec<IpNet>,
    pub(crate) lives: Duration,
}

impl Operator<'_> {
    /// Makes a service token: the row, and the token, which nobody is shown again.
    ///
    /// # Errors
    /// A name, a permission or a group that will not do, more than the maker may, and the store's.
    pub(crate) async fn make_service_token(
        &self,
        services: &Services,
        asked: TokenAsked,
    ) -> Result<(ServiceTokenRow, ServiceToken), NotMade> {
        let name = asked.name.trim();
        if name.is_empty() || name.chars().count() > NAME_MAX_CHARS {
            return Err(NotMade::NoName);
        }
        // A colon ends the id in the audit log, and a name is looked for where an id may stand.
        if name.chars().any(|c| c.is_control() || c == ':') || name.parse::<i64>().is_ok() {
            return Err(NotMade::BadName);
        }
        if !(SHORTEST..=LONGEST).contains(&asked.lives) {
            return Err(NotMade::Lifetime);
        }
        let expires_at = self.by.now.checked_add(asked.lives);
        let expires_at = expires_at.map_err(|_| NotMade::Lifetime)?;
        let mut powers = asked.powers;
        for names in [&mut powers.permissions, &mut powers.groups] {
            names.sort_unstable();
            names.dedup();
        }
        self.know_powers(&powers).await?;
        let token = ServiceToken::draw(&*services.random);
        let new = NewServiceToken {
            name: name.to_owned(),
            hash: token.hash(),
            powers,
            networks: asked.networks,
            expires_at,
        };
        match self.store.add_service_token(new, &self.by).await {
            Ok(row) => Ok((row, token)),
            Err(AdminError::NameTaken) => Err(NotMade::NameTaken(name.to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a service token.
    ///
    /// # Errors
    /// [`AdminError::Gone`], and the store's.
    pub(crate) async fn revoke_service_token(&self, id: i64) -> Result<(), AdminError> {
        self.store.revoke_service_token(id, &self.by).await
    }

    /// A permission with a typing error in it would be refused to the program much later.
    async fn know_powers(&self, powers: &Powers) -> Result<(), NotMade> {
        let mut known: HashSet<String> = Permit::ALL.iter().map(|(p, ..)| p.name()).collect();
        let there = self.store.permissions().await?;
        known.extend(there.iter().map(|row| format!("{}.{}", row.text.app, row.text.codename)));
        if let Some(name) = powers.permissions.iter().find(|name| !known.contains(*name)) {
            return Err(NotMade::Permission(name.clone()));
        }
        for name in &powers.groups {
            if group_id(self.store, name).await?.is_none() {
                return Err(NotMade::Group(name.clone()));
            }
        }
        Ok(())
    }
}

/// Why a token was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotMade {
    /// It has no name, or one that is too long.
    #[error("a token has a name of 1 to {max} characters", max = NAME_MAX_CHARS)]
    NoName,
    /// The name would be taken for something else.
    #[error("a token's name is no number, and has neither colons nor control characters")]
    BadName,
    /// Another has the name.
    #[error("there is a token {0:?} that was not revoked; revoke it, or choose another name")]
    NameTaken(String),
    /// It would live too long, or hardly.
    #[error("choose a minute to ten years")]
    Lifetime,
    /// Nothing is called so.
    #[error("there is no permission {0:?}; write app.codename, as in auth.view_user")]
    Permission(String),
    /// No group is called so.
    #[error("there is no group {0:?}")]
    Group(String),
    /// The store did not do it.
    #[error(transparent)]
    Act(#[from] AdminError),
}

impl From<StoreError> for NotMade {
    fn from(error: StoreError) -> Self {
        Self::Act(error.into())
    }
}

impl From<NotMade> for CommandError {
    fn from(error: NotMade) -> Self {
        match error {
            NotMade::Act(error) => error.into(),
            other => Self::new(other.to_string()),
        }
    }
}

/// The users among the makers of some tokens who may still do something: without its maker a token
/// does not count.
#[derive(Debug)]
pub(crate) struct Makers(HashSet<UserId>);

impl Makers {
    /// Those of these tokens, as they are now.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn of(
        tokens: &[ServiceTokenRow],
        store: &dyn UserAdmin,
    ) -> Result<Self, StoreError> {
        let mut there = HashSet::new();
        for id in tokens.iter().filter_map(|token| token.maker.user()).collect::<HashSet<_>>() {
            let user = store.user_record(id).await?.map(|record| record.user);
            if user.is_some_and(|user| user.is_active && user.is_staff) {
                there.insert(id);
            }
        }
        Ok(Self(there))
    }

    /// Whoever has the machine has everything.
    fn have(&self, maker: &Who) -> bool {
        maker.user().is_none_or(|id| self.0.contains(&id))
    }
}

/// Whether a token counts, in a word or two.
pub(crate) fn state(token: &ServiceTokenRow, makers: &Makers, now: Timestamp) -> &'static str {
    match token.revoked_at {
        Some(_) => "revoked",
        None if token.expires_at <= now => "expired",
        None if !makers.have(&token.maker) => "no maker",
        None => "good",
    }
}

/// What it may, in a cell.
pub(crate) fn in_words(powers: &Powers) -> String {
    let everything = powers.is_superuser.then(|| "everything".to_owned());
    let groups = powers.groups.iter().map(|name| format!("group {name}"));
    let all = everything.into_iter().chain(powers.permissions.iter().cloned()).chain(groups);
    all.collect::<Vec<_>>().join(", ")
}

/// Every service token, in the order in which they were made.
///
/// # Errors
/// The store's.
pub(crate) async fn all(services: &Services) -> Result<Vec<ServiceTokenRow>, CommandError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = services.store.service_tokens(after, PAGE).await?;
        after = page.last().map(|row| row.id);
        let is_last = page.len() < PAGE as usize;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

/// How long a name may be.
pub(crate) const NAME_MAX_CHARS: usize = 100;

/// How long a token is good at least, and at most.
pub(crate) const SHORTEST: Duration = Duration::from_secs(60);
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Rows that are read at once.
const PAGE: u32 = 1_000;
