use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::session_id::SessionId;

/// What an access token says. Times are whole seconds since 1970-01-01 UTC (RFC 7519,
/// `NumericDate`).
///
/// Parsing demands every claim that is not optional, each of its own type and each once: a
/// fractional or textual `exp` is no token of ours.
///
/// ```
/// use countersign_verify::Claims;
///
/// let claims: Claims = serde_json::from_str(
///     r#"{"iss": "https://id.example.com", "sub": "7", "iat": 1000, "exp": 1300,
///         "sid": "00000000000000ff", "auth_time": 1000, "email": "ada@example.com"}"#,
/// )
/// .unwrap();
/// assert_eq!(claims.sid.get(), 255);
/// assert_eq!(claims.extra["email"], "ada@example.com");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// The user's id.
    pub sub: String,
    /// When it was issued.
    pub iat: u64,
    /// When it ends.
    pub exp: u64,
    /// The session it belongs to.
    pub sid: SessionId,
    /// When the user last proved who they are: the session's beginning, or a step-up.
    pub auth_time: u64,
    /// How they proved it (RFC 8176): `pwd`, `otp`, `hwk` or `swk`, `email`, `fed`, and `mfa` where
    /// it was with a second factor. Empty where the issuer cannot say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// `enrol` in a session that may enrol a second factor and do nothing else. Such a token is of
    /// another [type](crate::ENROL_TOKEN_TYPE); every other has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Whom it is meant for, when the issuer was configured to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    /// Before when it does not count (RFC 7519, 4.1.5); Countersign does not set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// For sessions that live in a cookie: the hash of the CSRF token, see [`csrf`](crate::csrf).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf: Option<String>,
    /// Whatever else the issuer was configured to say.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Claims {
    /// The claims that every token has; set the optional ones on the result.
    ///
    /// ```
    /// use countersign_verify::{Claims, SessionId};
    ///
    /// let session = SessionId::new(255).unwrap();
    /// let mut claims =
    ///     Claims::new("https://id.example.com".into(), "7".into(), session, 1_000, 1_000, 1_300);
    /// claims.extra.insert("email".into(), "ada@example.com".into());
    /// assert_eq!(serde_json::to_value(&claims).unwrap()["sid"], "00000000000000ff");
    /// ```
    pub fn new(
        iss: String,
        sub: String,
        sid: SessionId,
        auth_time: u64,
        iat: u64,
        exp: u64,
    ) -> Self {
        Self {
            iss,
            sub,
            iat,
            exp,
            sid,
            auth_time,
            amr: Vec::new(),
            scope: None,
            aud: None,
            nbf: None,
            csrf: None,
            extra: Map::new(),
        }
    }

    /// The extra claims as a type of the app's own, which takes of them what it knows. `None` where
    /// they are not of that type.
    ///
    /// ```
    /// use countersign_verify::{Claims, SessionId};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Ours {
    ///     plan: String,
    /// }
    ///
    /// let session = SessionId::new(255).unwrap();
    /// let mut claims =
    ///     Claims::new("https://id.example.com".into(), "7".into(), session, 1_000, 1_000, 1_300);
    /// assert!(claims.custom::<Ours>().is_none());
    /// claims.extra.insert("plan".into(), "gold".into());
    /// assert_eq!(claims.custom::<Ours>().unwrap().plan, "gold");
    /// ```
    pub fn custom<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        T::deserialize(&self.extra).ok()
    }
}

/// The claim `aud`: one name or several (RFC 7519, 4.1.3).
///
/// ```
/// use countersign_verify::Audience;
///
/// assert_eq!(
///     serde_json::from_str::<Audience>(r#""shop""#).unwrap(),
///     Audience::One("shop".into())
/// );
/// assert_eq!(
///     serde_json::from_str::<Audience>(r#"["shop"]"#).unwrap(),
///     Audience::Many(vec!["shop".into()])
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One name.
    One(String),
    /// Several names.
    Many(Vec<String>),
}

impl Audience {
    /// Whether `name` is among them.
    ///
    /// ```
    /// use countersign_verify::Audience;
    ///
    /// let audience = Audience::Many(vec!["shop".into(), "forum".into()]);
    /// assert!(audience.contains("forum") && !audience.contains("for"));
    /// ```
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}
