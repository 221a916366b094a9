use std::fmt;

use aws_lc_rs::hmac;
use countersign_verify::{Algorithm, jws};
use jsonwebtoken::Header;
use jsonwebtoken::errors::ErrorKind;
use serde::{Deserialize, Serialize};

use super::Secrets;
use super::signer::Unsigned;
use crate::session::SessionId;
use crate::session::rotation::Jti;

/// What a refresh token says. Times are whole seconds since 1970-01-01 UTC.
///
/// ```
/// use countersign::session::SessionId;
/// use countersign::session::rotation::Jti;
/// use countersign::token::RefreshClaims;
///
/// let session = SessionId::new(7).unwrap();
/// let first = RefreshClaims {
///     sid: session,
///     generation: 0,
///     jti: Jti([1; 16]),
///     parent: None,
///     iat: 1_000,
///     exp: 605_800,
///     is_short: false,
/// };
/// assert_eq!(serde_json::to_value(&first).unwrap()["gen"], 0);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshClaims {
    /// The session it belongs to.
    pub sid: SessionId,
    /// Its generation in the session.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// Its own id.
    pub jti: Jti,
    /// The id of the token it was minted from; the first has none.
    #[serde(rename = "par", default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Jti>,
    /// When it was minted.
    pub iat: u64,
    /// When it ends.
    pub exp: u64,
    /// Whether the session is not to outlive the browser: each token of the session says the same.
    #[serde(rename = "short", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_short: bool,
}

/// Signs and verifies refresh tokens: JWT with `typ: rt+jwt`, HS256 under a key of their own.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::session::SessionId;
/// use countersign::session::rotation::Jti;
/// use countersign::token::{RefreshClaims, RefreshTokens};
///
/// # let secrets = world::secrets();
/// let tokens = RefreshTokens::new(&secrets);
/// let session = SessionId::new(7).unwrap();
/// let claims = RefreshClaims {
///     sid: session,
///     generation: 0,
///     jti: Jti([1; 16]),
///     parent: None,
///     iat: 1_000,
///     exp: 605_800,
///     is_short: false,
/// };
/// let token = tokens.sign(&claims).unwrap();
/// assert_eq!(tokens.verify(&token, 1_100), Ok(claims));
/// ```
pub struct RefreshTokens {
    header: Header,
    key: hmac::Key,
    /// What tokens without an instance's name are verified with, where they are good too.
    nameless: Option<hmac::Key>,
}

impl RefreshTokens {
    /// Tokens under the refresh key of `secrets`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::RefreshTokens;
    ///
    /// # let secrets = world::secrets();
    /// assert_eq!(format!("{:?}", RefreshTokens::new(&secrets)), "RefreshTokens(..)");
    /// ```
    pub fn new(secrets: &Secrets) -> Self {
        Self::under(secrets.refresh())
    }

    /// Tokens of one of several instances that share a secret: each has a key of its own, derived
    /// from the refresh key and its name, so that none takes another's tokens.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::RefreshTokens;
    ///
    /// # use countersign::session::{SessionId, rotation::Jti};
    /// # use countersign::token::RefreshClaims;
    /// # let secrets = world::secrets();
    /// # let claims = RefreshClaims { sid: SessionId::new(7).unwrap(), generation: 0,
    /// #     jti: Jti([1; 16]), parent: None, iat: 1_000, exp: 2_000, is_short: false };
    /// let (acme, other) = (
    ///     RefreshTokens::of_instance(&secrets, "acme"),
    ///     RefreshTokens::of_instance(&secrets, "other"),
    /// );
    /// let token = acme.sign(&claims).unwrap();
    /// assert!(acme.verify(&token, 1_000).is_ok());
    /// assert!(other.verify(&token, 1_000).is_err());
    /// ```
    pub fn of_instance(secrets: &Secrets, name: &str) -> Self {
        let all = key(secrets.refresh());
        Self::under(hmac::sign(&all, format!("instance v1 {name}").as_bytes()).as_ref())
    }

    /// Takes tokens without an instance's name too, as versions before there were names issued
    /// them.
    #[cfg(feature = "axum")]
    pub(crate) fn or_nameless(mut self, secrets: &Secrets) -> Self {
        self.nameless = Some(key(secrets.refresh()));
        self
    }

    fn under(secret: &[u8]) -> Self {
        let mut header = Header::new(ALGORITHM);
        header.typ = Some(TYPE.to_owned());
        Self { header, key: key(secret), nameless: None }
    }

    /// Signs a token.
    ///
    /// # Errors
    /// [`RefreshError::Sign`] when the cryptographic library cannot.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # use countersign::session::{SessionId, rotation::Jti};
    /// # use countersign::token::{RefreshClaims, RefreshTokens};
    /// # let (tokens, session) = (RefreshTokens::new(&world::secrets()),
    /// #     SessionId::new(7).unwrap());
    /// # let claims = RefreshClaims { sid: session, generation: 0, jti: Jti([1; 16]), parent: None,
    /// #     iat: 1_000, exp: 605_800, is_short: false };
    /// let token = tokens.sign(&claims).unwrap();
    /// assert_eq!(token.split('.').count(), 3);
    /// ```
    pub fn sign(&self, claims: &RefreshClaims) -> Result<String, RefreshError> {
        jws::encode(&self.header, claims, |message| Ok(hmac::sign(&self.key, message)))
            .map_err(|Unsigned| RefreshError::Sign)
    }

    /// Checks form, type, signature and time: a forgery costs no database read. `now` is in whole
    /// seconds since 1970.
    ///
    /// # Errors
    /// [`RefreshError::Expired`] for a good token whose time is over, [`RefreshError::Invalid`] for
    /// everything else.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::RefreshError;
    ///
    /// # use countersign::session::{SessionId, rotation::Jti};
    /// # use countersign::token::{RefreshClaims, RefreshTokens};
    /// # let (tokens, session) = (RefreshTokens::new(&world::secrets()),
    /// #     SessionId::new(7).unwrap());
    /// # let token = tokens.sign(&RefreshClaims { sid: session, generation: 0, jti: Jti([1; 16]),
    /// #     parent: None, iat: 1_000, exp: 2_000, is_short: false }).unwrap();
    /// assert!(tokens.verify(&token, 1_999).is_ok()); // a token that ends at 2 000
    /// assert_eq!(tokens.verify(&token, 2_000), Err(RefreshError::Expired));
    /// assert_eq!(tokens.verify("a.b.c", 1_000), Err(RefreshError::Invalid));
    /// ```
    pub fn verify(&self, token: &str, now: u64) -> Result<RefreshClaims, RefreshError> {
        let claims = self.verify_but_expiry(token)?;
        if now < claims.exp { Ok(claims) } else { Err(RefreshError::Expired) }
    }

    /// As [`verify`](Self::verify), whatever the time: a logout is welcome at any time.
    ///
    /// # Errors
    /// [`RefreshError::Invalid`].
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # use countersign::session::{SessionId, rotation::Jti};
    /// # use countersign::token::{RefreshClaims, RefreshTokens};
    /// # let (tokens, session) = (RefreshTokens::new(&world::secrets()),
    /// #     SessionId::new(7).unwrap());
    /// # let expired = tokens.sign(&RefreshClaims { sid: session, generation: 0, jti: Jti([1; 16]),
    /// #     parent: None, iat: 1_000, exp: 2_000, is_short: false }).unwrap();
    /// assert_eq!(tokens.verify_but_expiry(&expired).unwrap().sid, session);
    /// ```
    pub fn verify_but_expiry(&self, token: &str) -> Result<RefreshClaims, RefreshError> {
        if token.len() > MAX_BYTES {
            return Err(RefreshError::Invalid);
        }
        let read = |key: &hmac::Key| {
            jws::decode_by::<RefreshClaims>(token, ALGORITHM, |message, signature| {
                hmac::verify(key, message, &signature)
                    .map_err(|_| ErrorKind::InvalidSignature.into())
            })
            .ok()
        };
        let (header, claims) = read(&self.key)
            .or_else(|| self.nameless.as_ref().and_then(read))
            .ok_or(RefreshError::Invalid)?;
        let is_ours = header.typ.as_deref() == Some(TYPE) && header.crit.is_none();
        if is_ours { Ok(claims) } else { Err(RefreshError::Invalid) }
    }
}

fn key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

impl fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshTokens(..)")
    }
}

/// Why a refresh token is none, or cannot be made.
///
/// ```
/// use countersign::token::RefreshError;
///
/// assert_eq!(RefreshError::Expired.to_string(), "the refresh token has expired");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// Not a refresh token of ours.
    #[error("not a refresh token of this server")]
    Invalid,
    /// A good token whose time is over.
    #[error("the refresh token has expired")]
    Expired,
    /// It could not be signed.
    #[error("a refresh token could not be signed")]
    Sign,
}

const TYPE: &str = "rt+jwt";

const ALGORITHM: Algorithm = Algorithm::HS256;

/// Ours have about 300 bytes.
const MAX_BYTES: usize = 1024;
