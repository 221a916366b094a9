//! A service token: what a program that manages users shows, and what it may do with it.

use ipnet::IpNet;
use jiff::Timestamp;

use super::Who;
use crate::token::SecretHash;
use crate::user::User;

/// What a service token was given.
///
/// ```
/// assert!(!countersign::store::admin::Powers::default().is_superuser);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Powers {
    /// Permissions, as `app.codename`: what it may do, and what it may give away.
    pub permissions: Vec<String>,
    /// Groups by their names, into which it may put users, and whose members it may take over.
    pub groups: Vec<String>,
    /// Whether it may do everything, which only superusers give: touch staff and superusers, and
    /// make them.
    pub is_superuser: bool,
}

/// A service token about to be made.
///
/// ```
/// use countersign::clock::OsRandom;
/// use countersign::store::admin::{NewServiceToken, Powers};
/// use countersign::token::ServiceToken;
///
/// let new = NewServiceToken {
///     name: "importer".to_owned(),
///     hash: ServiceToken::draw(&OsRandom).hash(),
///     powers: Powers::default(),
///     networks: vec!["10.0.0.0/8".parse().unwrap()],
///     expires_at: jiff::Timestamp::MAX,
/// };
/// assert_eq!(new.networks.len(), 1);
/// ```
#[derive(Debug, Clone)]
pub struct NewServiceToken {
    /// What it is called, up to 100 characters. No two that were not revoked have one name.
    pub name: String,
    /// What is kept of the token.
    pub hash: SecretHash,
    /// What it may do.
    pub powers: Powers,
    /// Where it may be used from; empty for everywhere.
    pub networks: Vec<IpNet>,
    /// When its time is over.
    pub expires_at: Timestamp,
}

/// A service token in a list: everything but the token.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::ServiceTokenStore;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// assert!(store.service_tokens(None, 10).await.unwrap().is_empty());
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTokenRow {
    /// Its id, which no other ever has.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What it was given.
    pub powers: Powers,
    /// Where it may be used from; empty for everywhere.
    pub networks: Vec<IpNet>,
    /// Who made it: it never may more than they.
    pub maker: Who,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its time is over.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A service token that counts, and who acts by it.
///
/// ```
/// use countersign::store::admin::KnownServiceToken;
///
/// fn may(known: &KnownServiceToken, permission: &str) -> bool {
///     let operator = &known.operator;
///     operator.is_superuser || operator.permissions.iter().any(|own| own == permission)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct KnownServiceToken {
    /// The token.
    pub row: ServiceTokenRow,
    /// An operator with what the token was given, as far as its maker has it now: what a
    /// [`Rule`](super::Rule) is asked of. The id 0 is nobody's.
    pub operator: User,
}

impl ServiceTokenRow {
    /// Who acts by it, as the audit log names them.
    ///
    /// ```
    /// use countersign::store::admin::{ServiceTokenRow, Who};
    ///
    /// fn is_importer(row: &ServiceTokenRow) -> bool {
    ///     row.who() == Who::Service { id: 7, name: "importer".to_owned() }
    /// }
    /// ```
    pub fn who(&self) -> Who {
        Who::Service { id: self.id, name: self.name.clone() }
    }
}
