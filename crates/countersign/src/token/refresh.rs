use std::fmt;

use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::Secrets;
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
/// let first = RefreshClaims { sid: session, generation: 0, jti: Jti([1; 16]), parent: None, iat: 1_000, exp: 605_800 };
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
/// let claims = RefreshClaims { sid: session, generation: 0, jti: Jti([1; 16]), parent: None, iat: 1_000, exp: 605_800 };
/// let token = tokens.sign(&claims).unwrap();
/// assert_eq!(tokens.verify(&token, 1_100), Ok(claims));
/// ```
pub struct RefreshTokens {
    header: Header,
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
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
        let mut header = Header::new(jsonwebtoken::Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        let mut validation = Validation::new(jsonwebtoken::Algorithm::HS256);
        // Times are compared with our own clock.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self {
            header,
            signing: EncodingKey::from_secret(secrets.refresh()),
            verifying: DecodingKey::from_secret(secrets.refresh()),
            validation,
        }
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
    /// # let (tokens, session) = (RefreshTokens::new(&world::secrets()), SessionId::new(7).unwrap());
    /// # let claims = RefreshClaims { sid: session, generation: 0, jti: Jti([1; 16]), parent: None, iat: 1_000, exp: 605_800 };
    /// let token = tokens.sign(&claims).unwrap();
    /// assert_eq!(token.split('.').count(), 3);
    /// ```
    pub fn sign(&self, claims: &RefreshClaims) -> Result<String, RefreshError> {
        jsonwebtoken::encode(&self.header, claims, &self.signing).map_err(|_| RefreshError::Sign)
    }

    /// Checks form, type, signature and time: a forgery costs no database read. `now` is in whole seconds since 1970.
    ///
    /// # Errors
    /// [`RefreshError::Expired`] for a good token whose time is over, [`RefreshError::Invalid`] for everything else.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::RefreshError;
    ///
    /// # use countersign::session::{SessionId, rotation::Jti};
    /// # use countersign::token::{RefreshClaims, RefreshTokens};
    /// # let (tokens, session) = (RefreshTokens::new(&world::secrets()), SessionId::new(7).unwrap());
    /// # let token = tokens.sign(&RefreshClaims { sid: session, generation: 0, jti: Jti([1; 16]), parent: None, iat: 1_000, exp: 2_000 }).unwrap();
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
    /// # let (tokens, session) = (RefreshTokens::new(&world::secrets()), SessionId::new(7).unwrap());
    /// # let expired = tokens.sign(&RefreshClaims { sid: session, generation: 0, jti: Jti([1; 16]), parent: None, iat: 1_000, exp: 2_000 }).unwrap();
    /// assert_eq!(tokens.verify_but_expiry(&expired).unwrap().sid, session);
    /// ```
    pub fn verify_but_expiry(&self, token: &str) -> Result<RefreshClaims, RefreshError> {
        if token.len() > MAX_BYTES {
            return Err(RefreshError::Invalid);
        }
        let data = jsonwebtoken::decode::<RefreshClaims>(token, &self.verifying, &self.validation).map_err(|_| RefreshError::Invalid)?;
        let is_ours = data.header.typ.as_deref() == Some(TYPE) && data.header.crit.is_none();
        if is_ours { Ok(data.claims) } else { Err(RefreshError::Invalid) }
    }
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

/// Ours have about 300 bytes.
const MAX_BYTES: usize = 1024;
