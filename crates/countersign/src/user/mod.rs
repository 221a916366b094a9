//! Users: the Django-shaped row, and the names that are parsed once at the edge.
//!
//! ```
//! use countersign::user::{Email, Username, fold};
//!
//! assert_eq!(Username::parse("Ada").unwrap().folded(), fold("ADA"));
//! assert_eq!(Email::parse("ada@EXAMPLE.com").unwrap().as_str(), "ada@example.com");
//! ```

#[cfg(feature = "axum")]
mod cache;
mod email;
mod found;
#[cfg(feature = "axum")]
mod known;
#[cfg(feature = "axum")]
mod registers;
mod username;
#[cfg(feature = "axum")]
mod users;

pub use countersign_verify::{Account, UserId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

#[cfg(feature = "axum")]
pub(crate) use cache::UserCache;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use email::names_like;
pub use email::{Email, EmailError, fold_address};
pub use found::FoundUser;
#[cfg(feature = "axum")]
pub(crate) use known::{Attached, CachedUser};
#[cfg(feature = "axum")]
pub(crate) use registers::AnyRegisters;
#[cfg(feature = "axum")]
pub use registers::Registers;
pub use username::fold;
pub use username::{Username, UsernameError};
#[cfg(feature = "axum")]
pub(crate) use users::AnyUsers;
#[cfg(feature = "axum")]
pub use users::Users;

use crate::password::EncodedPassword;

/// A user as the rest of the program sees one: everything but the password.
///
/// Field and column names are Django's (`AbstractUser`), so that rows can move both ways. It
/// serialises as the `user` object of the HTTP contract.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::user::Account;
///
/// # world::run(async |world| {
/// # let ada = world.ada;
/// assert!(ada.is_active && !ada.is_staff && !ada.has_perm("articles.publish"));
/// let json = serde_json::to_value(&ada).unwrap(); // the `user` of login and profile
/// assert_eq!(
///     (&json["username"], &json["date_joined"]),
///     (&"ada".into(), &"2026-01-01T00:00:00Z".into())
/// );
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(description = "A user: everything but the password.")]
#[non_exhaustive]
pub struct User {
    /// The primary key.
    #[schema(value_type = i64, example = 1)]
    pub id: UserId,
    /// The login name: up to 150 characters. Imported rows keep whatever they had.
    #[schema(example = "alice")]
    pub username: String,
    /// The e-mail address, or empty. No two active users have one, but for rows that were imported.
    #[schema(example = "alice@example.com")]
    pub email: String,
    /// Whether the user has shown that the address is theirs. Another address is not, until then.
    pub email_verified: bool,
    /// Up to 150 characters.
    pub first_name: String,
    /// Up to 150 characters.
    pub last_name: String,
    /// Whether the user may sign in at all.
    pub is_active: bool,
    /// Whether the user may enter the admin site.
    pub is_staff: bool,
    /// Whether the user has every permission without being given it.
    pub is_superuser: bool,
    /// When the row was made.
    #[schema(value_type = String, format = DateTime)]
    pub date_joined: Timestamp,
    /// When the user last signed in.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub last_login: Option<Timestamp>,
    /// Names of the user's groups, sorted.
    pub groups: Vec<String>,
    /// What the user was given, alone or through a group, as `app.codename`, sorted.
    pub permissions: Vec<String>,
    /// The language of the user's mails, as `de`; empty for English.
    #[schema(example = "de")]
    pub locale: String,
    /// Yours: any JSON object.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

/// Whom a mail tells of their account.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::user::Addressee;
///
/// # world::run(async |world| {
/// let ada = Addressee::from(&world.ada);
/// assert_eq!(ada.email, world.ada.email);
/// # });
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Addressee<'a> {
    /// Who.
    pub user: UserId,
    /// Their address, or empty.
    pub email: &'a str,
    /// The language of their mails; empty for English.
    pub language: &'a str,
    /// Whether the address was proved: somebody else's must not be told.
    pub is_proved: bool,
}

impl<'a> From<&'a User> for Addressee<'a> {
    fn from(user: &'a User) -> Self {
        let User { id, email, locale, email_verified, .. } = user;
        Self { user: *id, email, language: locale, is_proved: *email_verified }
    }
}

impl User {
    /// A user of whom only the id matters.
    #[cfg(test)]
    pub(crate) fn for_tests(id: i64) -> Self {
        Self {
            id: UserId::new(id),
            username: format!("user{id}"),
            email: String::new(),
            email_verified: false,
            first_name: String::new(),
            last_name: String::new(),
            is_active: true,
            is_staff: false,
            is_superuser: false,
            date_joined: Timestamp::UNIX_EPOCH,
            last_login: None,
            groups: Vec::new(),
            permissions: Vec::new(),
            locale: String::new(),
            metadata: Map::new(),
        }
    }
}

impl Account for User {
    fn id(&self) -> UserId {
        self.id
    }
    fn username(&self) -> &str {
        &self.username
    }
    fn email(&self) -> &str {
        &self.email
    }
    fn first_name(&self) -> &str {
        &self.first_name
    }
    fn last_name(&self) -> &str {
        &self.last_name
    }
    fn is_active(&self) -> bool {
        self.is_active
    }
    fn email_verified(&self) -> bool {
        self.email_verified
    }
    fn locale(&self) -> &str {
        &self.locale
    }
    fn is_staff(&self) -> bool {
        self.is_staff
    }
    fn is_superuser(&self) -> bool {
        self.is_superuser
    }
    fn groups(&self) -> &[String] {
        &self.groups
    }
    fn permissions(&self) -> &[String] {
        &self.permissions
    }
}

/// A row found by what was typed into a login form.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
///
/// # world::run(async |world| {
/// # let store = world.auth.store();
/// let row = store.user_by_login("ADA").await.unwrap().unwrap();
/// assert_eq!(row.user.username, "ada");
/// assert!(!row.password.is_usable()); // Ada cannot log in by password
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct UserByLogin {
    /// Who it is.
    pub user: User,
    /// What the given password is checked against.
    pub password: EncodedPassword,
    /// When the user is deleted, if they asked for it and have not come back.
    pub deletion_at: Option<Timestamp>,
}

/// A user about to be made.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::password::EncodedPassword;
/// use countersign::user::{Email, NewUser, Username};
///
/// # world::run(async |world| {
/// # let (auth, now) = (world.auth, world::midnight());
/// let email = Email::parse("grace@example.com").unwrap();
/// let mut new =
///     NewUser::new(Username::parse("grace").unwrap(), Some(email), EncodedPassword::unusable());
/// new.is_staff = true;
/// let grace = auth.store().create_user(new, now).await.unwrap();
/// assert!(grace.is_staff);
/// # });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewUser {
    /// The login name.
    pub username: Username,
    /// The e-mail address, if any.
    pub email: Option<Email>,
    /// Whether it is known to be theirs.
    pub email_verified: bool,
    /// Up to 150 characters.
    pub first_name: String,
    /// Up to 150 characters.
    pub last_name: String,
    /// The encoded password, or an unusable one.
    pub password: EncodedPassword,
    /// Whether the user may sign in at all.
    pub is_active: bool,
    /// Whether the user may enter the admin site.
    pub is_staff: bool,
    /// Whether the user has every permission.
    pub is_superuser: bool,
    /// The language of the user's mails, as `de`; empty for English.
    pub locale: String,
    /// Yours: any JSON object.
    pub metadata: Map<String, Value>,
}

impl NewUser {
    /// An active user without any rights.
    ///
    /// ```
    /// use countersign::password::EncodedPassword;
    /// use countersign::user::{NewUser, Username};
    ///
    /// let grace =
    ///     NewUser::new(Username::parse("grace").unwrap(), None, EncodedPassword::unusable());
    /// assert!(grace.is_active && !grace.is_staff && !grace.is_superuser);
    /// ```
    pub fn new(username: Username, email: Option<Email>, password: EncodedPassword) -> Self {
        Self {
            username,
            email,
            email_verified: false,
            first_name: String::new(),
            last_name: String::new(),
            password,
            is_active: true,
            is_staff: false,
            is_superuser: false,
            locale: String::new(),
            metadata: Map::new(),
        }
    }
}

/// What a user may change of their own row. `None` leaves a field as it is.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::user::ProfileChange;
///
/// # world::run(async |world| {
/// # let (store, ada) = (world.auth.store(), world.ada);
/// let mut change = ProfileChange::default();
/// change.email = Some(None);
/// change.first_name = Some("Augusta Ada".to_owned());
/// let ada = store.update_profile(ada.id, change).await.unwrap().unwrap();
/// assert_eq!((ada.first_name.as_str(), ada.email.as_str()), ("Augusta Ada", ""));
/// # });
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ProfileChange {
    /// A new login name.
    pub username: Option<Username>,
    /// A new e-mail address; `Some(None)` removes it.
    pub email: Option<Option<Email>>,
    /// A new first name, up to 150 characters.
    pub first_name: Option<String>,
    /// A new last name, up to 150 characters.
    pub last_name: Option<String>,
}

/// The most characters a first or last name may have (Django's `AbstractUser`).
pub const NAME_MAX_CHARS: usize = 150;
