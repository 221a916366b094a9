use std::any::{Any, type_name};
use std::fmt;

use serde_json::{Map, Value};

use crate::claims::Claims;
use crate::user_id::UserId;

/// A user, as permissions and tokens need to know one. Implement it for your own.
///
/// Only the id and the name are asked for; everything else has the answer of a user without any
/// rights. The words are Django's (`AbstractUser`).
///
/// ```
/// use countersign_verify::{Account, UserId};
///
/// struct Member {
///     number: i64,
///     nickname: String,
///     is_editor: bool,
/// }
///
/// impl Account for Member {
///     fn id(&self) -> UserId {
///         self.number.into()
///     }
///     fn username(&self) -> &str {
///         &self.nickname
///     }
///     fn has_perm(&self, permission: &str) -> bool {
///         self.is_editor && permission.starts_with("articles.")
///     }
/// }
///
/// let ada = Member { number: 1, nickname: "ada".into(), is_editor: true };
/// assert!(ada.has_perm("articles.publish") && !ada.is_staff());
/// ```
pub trait Account: Any + Send + Sync {
    /// The id: the claim `sub`.
    fn id(&self) -> UserId;

    /// The name that the user signs in with.
    fn username(&self) -> &str;

    /// The e-mail address, or nothing.
    fn email(&self) -> &str {
        ""
    }

    /// The first name, or nothing.
    fn first_name(&self) -> &str {
        ""
    }

    /// The last name, or nothing.
    fn last_name(&self) -> &str {
        ""
    }

    /// Whether the user may sign in at all. One who may not is refused everywhere, at once.
    fn is_active(&self) -> bool {
        true
    }

    /// Whether the user has shown that the address is theirs. Unless an app says otherwise, it sees
    /// to that itself.
    fn email_verified(&self) -> bool {
        true
    }

    /// The language of the user's mails, as `de`; empty for English.
    fn locale(&self) -> &str {
        ""
    }

    /// Whether the user is staff.
    fn is_staff(&self) -> bool {
        false
    }

    /// Whether the user has every permission without being given it.
    fn is_superuser(&self) -> bool {
        false
    }

    /// The names of the user's groups.
    fn groups(&self) -> &[String] {
        &[]
    }

    /// What the user was given, alone or through a group, as `app.codename`.
    fn permissions(&self) -> &[String] {
        &[]
    }

    /// Whether the user has the permission `app.codename`: an active superuser has every one, an
    /// inactive user none (Django's rule).
    fn has_perm(&self, permission: &str) -> bool {
        self.is_active()
            && (self.is_superuser() || self.permissions().iter().any(|own| own == permission))
    }

    /// What access tokens shall say of the user beyond the usual claims. Whoever holds the token
    /// can read it. The names of registered claims and of Countersign's own (`iss sub aud exp nbf
    /// iat jti sid auth_time amr scope csrf dvb`) are left out.
    fn claims(&self) -> Map<String, Value> {
        Map::new()
    }

    /// The row's type, for a developer who asked for another.
    #[doc(hidden)]
    fn type_name(&self) -> &'static str {
        type_name::<Self>()
    }
}

/// The id, and nothing else: a row may hold what no log should see, the encoded password above all,
/// and its own `Debug` would print it.
impl fmt::Debug for dyn Account + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// A user as an access token tells of one, for services that have no database of users.
///
/// A token says no more than its issuer was configured to say (`extra_claims`): without `is_staff`,
/// `groups` and `permissions` in it, nobody is staff, in a group or permitted.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::{Account, TokenUser};
///
/// # let claims = world::claims();
/// // A token whose claims are "sub": "7", "username": "ada", "groups": ["editors"] and
/// // "permissions": ["articles.publish"]
/// let ada = TokenUser::of(&claims).unwrap();
/// assert_eq!(ada.username, "ada");
/// assert!(ada.has_perm("articles.publish") && !ada.is_staff());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenUser {
    /// The claim `sub`.
    pub id: UserId,
    /// The claim `username`, or else the id.
    pub username: String,
    /// The claim `email`, or nothing.
    pub email: String,
    /// The claim `email_verified`.
    pub email_verified: bool,
    /// The claim `first_name`, or nothing.
    pub first_name: String,
    /// The claim `last_name`, or nothing.
    pub last_name: String,
    /// The claim `is_staff`.
    pub is_staff: bool,
    /// The claim `is_superuser`.
    pub is_superuser: bool,
    /// The claim `groups`.
    pub groups: Vec<String>,
    /// The claim `permissions`.
    pub permissions: Vec<String>,
}

impl TokenUser {
    /// The user whom a token tells of; `None` when `sub` is no id.
    ///
    /// ```
    /// use countersign_verify::{Claims, SessionId, TokenUser};
    ///
    /// let session = SessionId::new(1).unwrap();
    /// let claims =
    ///     Claims::new("https://id.example.com".into(), "7".into(), session, 1_000, 1_000, 1_300);
    /// assert_eq!(TokenUser::of(&claims).unwrap().id, 7.into());
    /// ```
    pub fn of(claims: &Claims) -> Option<Self> {
        let text = |name: &str| {
            claims.extra.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let flag = |name: &str| claims.extra.get(name).and_then(Value::as_bool).unwrap_or(false);
        let list = |name: &str| {
            let values = claims.extra.get(name).and_then(Value::as_array);
            values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let named = claims.extra.get("username").and_then(Value::as_str);
        Some(Self {
            id: claims.sub.parse().ok()?,
            username: named.unwrap_or(&claims.sub).to_owned(),
            email: text("email"),
            email_verified: flag("email_verified"),
            first_name: text("first_name"),
            last_name: text("last_name"),
            is_staff: flag("is_staff"),
            is_superuser: flag("is_superuser"),
            groups: list("groups"),
            permissions: list("permissions"),
        })
    }
}

impl Account for TokenUser {
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
    fn email_verified(&self) -> bool {
        self.email_verified
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
