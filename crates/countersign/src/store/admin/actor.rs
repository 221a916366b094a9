//! Who does something, from where, and whether they may.

use std::net::IpAddr;

use jiff::Timestamp;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use super::AdminError;
use super::{Once, ServiceTokenRow, Who};
use crate::user::{User, UserId};

/// Who does it, from where: for the audit log.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, UserAct, UserAdmin};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let by = Actor::staff(ada.id, Some([192, 0, 2, 7].into()), now);
/// assert_eq!(store.act_on_users(&[ada.id], UserAct::Deactivate, &by).await.unwrap(), 1);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Actor {
    /// The operator.
    pub who: Who,
    /// Where the request came from; `None` where none came.
    pub ip: Option<IpAddr>,
    /// When.
    pub now: Timestamp,
    /// Asked inside the transaction that does it, of the rows as they are then. `None` lets
    /// everything be done.
    pub may: Option<Rule>,
    /// The key under which a user is made or invited at most once: who asks again gets the user
    /// whom they got before. `None` for each time.
    pub once: Option<Once>,
}

/// Whether an operator may make of a user, as they are `before`, the one that is there `after`.
/// Where nothing of the row itself changes, both are the same.
///
/// Of a user who is added, both are the new row. Of an act on no user, as on a group, both are the
/// operator's own; when a group gets permissions, `after` has them too. Of an edit, `before` is
/// without the permissions that the user gets for themselves, though a group gave them before.
///
/// ```
/// use countersign::store::admin::Rule;
///
/// let only_superusers: Rule = |operator, _before, _after| operator.is_superuser;
/// ```
pub type Rule = fn(operator: &User, before: &User, after: &User) -> bool;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Actor {
    /// Refuses what the rule does not let this operator do; `operator` is the operator's row as it
    /// is now.
    pub(crate) fn is_let<'a>(
        &self,
        operator: Option<&User>,
        mut changes: impl Iterator<Item = (&'a User, &'a User)>,
    ) -> Result<(), AdminError> {
        let Some(may) = self.may else {
            // What a service token may is never left open.
            let is_service = matches!(self.who, Who::Service { .. });
            return if is_service { Err(AdminError::NotAllowed) } else { Ok(()) };
        };
        let operator = operator.ok_or(AdminError::NotAllowed)?;
        if changes.all(|(before, after)| may(operator, before, after)) {
            Ok(())
        } else {
            Err(AdminError::NotAllowed)
        }
    }

    /// Refuses an act on no user, which gives away these permissions.
    pub(crate) fn is_let_give(
        &self,
        operator: Option<&User>,
        given: &[String],
    ) -> Result<(), AdminError> {
        let with_given = operator.cloned().map(|mut operator| {
            operator.permissions.extend_from_slice(given);
            operator
        });
        self.is_let(operator, operator.into_iter().zip(&with_given))
    }
}

impl Actor {
    /// A user with the right to it, whose request came from `ip`.
    ///
    /// ```
    /// use countersign::store::admin::{Actor, Who};
    /// use countersign::user::UserId;
    ///
    /// let by =
    ///     Actor::staff(UserId::new(7), Some([192, 0, 2, 7].into()), jiff::Timestamp::UNIX_EPOCH);
    /// assert_eq!(by.who, Who::User(UserId::new(7)));
    /// ```
    pub fn staff(user: UserId, ip: Option<IpAddr>, now: Timestamp) -> Self {
        Self { who: Who::User(user), ip, now, may: None, once: None }
    }

    /// A program that has this service token, whose request came from `ip`. Without a rule it may
    /// do nothing.
    ///
    /// ```
    /// use countersign::store::admin::{Actor, Rule, ServiceTokenRow};
    ///
    /// const SUPERUSERS: Rule = |operator, _before, _after| operator.is_superuser;
    ///
    /// fn actor(row: &ServiceTokenRow, now: jiff::Timestamp) -> Actor {
    ///     Actor { may: Some(SUPERUSERS), ..Actor::service(row, None, now) }
    /// }
    /// ```
    pub fn service(token: &ServiceTokenRow, ip: Option<IpAddr>, now: Timestamp) -> Self {
        Self { who: token.who(), ip, now, may: None, once: None }
    }

    /// Whoever ran a command on the server's machine, by the name of the operating system's user.
    ///
    /// ```
    /// use countersign::store::admin::Actor;
    ///
    /// let by = Actor::shell("ada", jiff::Timestamp::UNIX_EPOCH);
    /// assert_eq!(by.who.to_string(), "shell:ada");
    /// ```
    pub fn shell(os_user: &str, now: Timestamp) -> Self {
        Self { who: Who::shell(os_user), ip: None, now, may: None, once: None }
    }
}
