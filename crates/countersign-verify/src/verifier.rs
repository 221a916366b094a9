use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jsonwebtoken::decode_header;

use crate::claims::Claims;
use crate::keys::KeySet;
use crate::recent::Recent;
use crate::{jws, weight};

/// Verifies access tokens, and remembers the ones it has verified, each with something of the
/// caller's own attached.
///
/// A signature check takes tens of microseconds; the same token again is found in a bounded cache
/// by its exact bytes, in well under one. Neither takes a lock that another request waits on.
/// Revocation and the user's state are the caller's to check, each time.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::{TokenError, Verifier};
///
/// # let (keys, token) = (world::keys(), world::token());
/// let verifier: Verifier = Verifier::new("https://id.example.com".into(), None, keys, 10_000);
/// let seen = verifier.verify(&token, 10_299).unwrap(); // a token that ends at 10 300
/// assert_eq!(seen.claims.sub, "7");
/// assert_eq!(verifier.verify(&token, 10_300).unwrap_err(), TokenError::Expired);
/// ```
pub struct Verifier<T = ()> {
    issuer: String,
    audience: Option<String>,
    longest: u64,
    keys: ArcSwap<Generation>,
    of_attached: fn(&T) -> usize,
    cache: Recent<Box<[u8]>, Arc<Seen<T>>>,
}

impl<T> Verifier<T> {
    /// A verifier of tokens that `issuer` issued, for `audience` where one is given, remembering up
    /// to `remembered` tokens.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::{TokenError, Verifier};
    ///
    /// # let (keys, token) = (world::keys(), world::token());
    /// let shop: Verifier =
    ///     Verifier::new("https://id.example.com".into(), Some("shop".into()), keys, 10_000);
    /// // A token without `aud`.
    /// assert_eq!(shop.verify(&token, 10_000).unwrap_err(), TokenError::WrongAudience);
    /// ```
    pub fn new(issuer: String, audience: Option<String>, keys: KeySet, remembered: usize) -> Self {
        Self {
            issuer,
            audience,
            longest: u64::MAX,
            keys: ArcSwap::from_pointee(Generation { number: 0, keys }),
            of_attached: |_| 0,
            cache: Recent::new(remembered),
        }
    }

    /// Remembers tokens in at most so many `bytes`, their claims and what it takes to find them
    /// included, in place of a number of tokens. `of_attached` says how many bytes what is attached
    /// to a token takes beyond its own size: what its boxes, texts and lists hold, and nobody else
    /// keeps.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::Verifier;
    ///
    /// # let (keys, token) = (world::keys(), world::token());
    /// let verifier: Verifier = Verifier::new("https://id.example.com".into(), None, keys, 0)
    ///     .within(64 * 1024 * 1024, |()| 0);
    /// verifier.verify(&token, 10_000).unwrap();
    /// assert_eq!(verifier.remembered(), 1);
    /// ```
    #[must_use]
    pub fn within(mut self, bytes: usize, of_attached: fn(&T) -> usize) -> Self {
        self.of_attached = of_attached;
        self.cache = Recent::weighing(bytes, |token, seen| token.len() + seen.weight);
        self
    }

    /// Lets no token live for longer than this after its `iat`, in seconds, whatever it says:
    /// revocations are remembered for so long and no longer.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::Verifier;
    ///
    /// # let (keys, token) = (world::keys(), world::token());
    /// let strict: Verifier =
    ///     Verifier::new("https://id.example.com".into(), None, keys, 10_000).no_longer_than(60);
    /// assert!(strict.verify(&token, 10_059).is_ok()); // a token issued at 10 000
    /// assert!(strict.verify(&token, 10_060).is_err());
    /// ```
    #[must_use]
    pub fn no_longer_than(mut self, seconds: u64) -> Self {
        self.longest = seconds;
        self
    }

    /// The token as it was [remembered](Self::remember), if it still counts at `now`, in whole
    /// seconds since 1970.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::Verifier;
    ///
    /// # let (verifier, token) = (world::verifier(), world::token());
    /// let verifier: Verifier = verifier;
    /// assert!(verifier.seen(&token, 10_000).is_none());
    /// verifier.verify(&token, 10_000).unwrap();
    /// assert!(verifier.seen(&token, 10_000).is_some());
    /// ```
    pub fn seen(&self, token: impl AsRef<[u8]>, now: u64) -> Option<Arc<Seen<T>>> {
        let seen = self.cache.get(token.as_ref())?;
        (now < seen.until && seen.generation == self.keys.load().number).then_some(seen)
    }

    /// Checks signature, type, issuer, audience and times, to be [remembered](Self::remember) with
    /// something attached. `now` is in whole seconds since 1970.
    ///
    /// `iat`, and `nbf` where there is one (RFC 7519, 4.1.5), may lie a minute in the future: so
    /// far apart may the clocks be.
    ///
    /// # Errors
    /// [`TokenError::Expired`] for a good token whose time is over; [`TokenError`]'s other variants
    /// for everything that is no token of ours.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::{TokenError, Verifier};
    ///
    /// # let (verifier, token) = (world::verifier(), world::token());
    /// let verifier: Verifier = verifier;
    /// assert_eq!(verifier.check(&token, 10_299).unwrap().claims.sub, "7");
    /// assert_eq!(verifier.check(&token, 10_300).unwrap_err(), TokenError::Expired);
    /// assert_eq!(verifier.check("a.b.c", 10_000).unwrap_err(), TokenError::Malformed);
    /// ```
    pub fn check(&self, token: &str, now: u64) -> Result<Verified, TokenError> {
        match self.check_but_expiry(token, now)? {
            Verified { expired: true, .. } => Err(TokenError::Expired),
            verified => Ok(verified),
        }
    }

    /// The same, but a token whose time is over is good too, and [says so](Verified::expired). It
    /// lets nobody in: for what is welcome at any time, such as a logout.
    ///
    /// # Errors
    /// [`TokenError`] for everything that is no token of ours.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::{TokenError, Verifier};
    ///
    /// # let (verifier, token) = (world::verifier(), world::token());
    /// let verifier: Verifier = verifier;
    /// assert!(verifier.check_but_expiry(&token, 99_999).unwrap().expired);
    /// assert_eq!(verifier.check_but_expiry("a.b.c", 10_000).unwrap_err(), TokenError::Malformed);
    /// ```
    pub fn check_but_expiry(&self, token: &str, now: u64) -> Result<Verified, TokenError> {
        let keys = self.keys.load();
        let (claims, retires_at) = self.read(token, &keys.keys, now)?;
        let ends = claims.exp.min(claims.iat.saturating_add(self.longest));
        Ok(Verified {
            expired: now >= ends,
            until: ends.min(retires_at),
            generation: keys.number,
            claims,
        })
    }

    /// Remembers a token that was checked, and what is attached to it; the same token again takes
    /// the old one's place.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::{TokenUser, Verifier};
    ///
    /// # let (verifier, token) = (world::verifier(), world::token());
    /// let verifier: Verifier<TokenUser> = verifier;
    /// let verified = verifier.check(&token, 10_000).unwrap();
    /// let user = TokenUser::of(&verified.claims).unwrap();
    /// verifier.remember(&token, verified, user);
    /// assert_eq!(verifier.seen(&token, 10_000).unwrap().attached.username, "ada");
    /// ```
    pub fn remember(&self, token: &str, verified: Verified, attached: T) -> Arc<Seen<T>> {
        let Verified { claims, until, generation, .. } = verified;
        let weight = size_of::<Seen<T>>()
            + weight::of_claims(&claims)
            + (self.of_attached)(&attached)
            + weight::ENTRY;
        let seen = Arc::new(Seen { claims, attached, until, generation, weight });
        self.cache.insert(token.as_bytes().into(), Arc::clone(&seen));
        seen
    }

    /// Takes new keys. Tokens that were verified with the old ones are checked again.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::{KeySet, TokenError, Verifier};
    ///
    /// # let (verifier, token) = (world::verifier(), world::token());
    /// let verifier: Verifier = verifier;
    /// assert!(verifier.verify(&token, 10_000).is_ok());
    /// verifier.set_keys(&KeySet::default());
    /// assert_eq!(verifier.verify(&token, 10_000).unwrap_err(), TokenError::UnknownKey);
    /// ```
    pub fn set_keys(&self, keys: &KeySet) {
        self.keys.rcu(|old| Generation { number: old.number + 1, keys: keys.clone() });
    }

    /// How many tokens it remembers.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let (verifier, token) = (world::verifier::<()>(), world::token());
    /// assert_eq!(verifier.remembered(), 0);
    /// verifier.verify(&token, 10_000).unwrap();
    /// assert_eq!(verifier.remembered(), 1);
    /// ```
    pub fn remembered(&self) -> usize {
        self.cache.len()
    }

    fn read(&self, token: &str, keys: &KeySet, now: u64) -> Result<(Claims, u64), TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        let scope = match header.typ.as_deref() {
            Some(ACCESS_TOKEN_TYPE) => None,
            Some(ENROL_TOKEN_TYPE) => Some(ENROL),
            _ => return Err(TokenError::WrongType),
        };
        // A token that brings its own key, or says that something unknown must be understood, is
        // none of ours (RFC 7515, 4.1.11; RFC 8725, 3.10).
        let foreign = header.crit.is_some()
            || header.jwk.is_some()
            || header.jku.is_some()
            || header.x5u.is_some()
            || header.x5c.is_some();
        if foreign {
            return Err(TokenError::Malformed);
        }
        let key =
            header.kid.as_deref().and_then(|kid| keys.get(kid)).ok_or(TokenError::UnknownKey)?;
        if now >= key.retires_at() {
            return Err(TokenError::UnknownKey);
        }
        let (_, claims) = jws::decode::<Claims>(token, key.decoding_key(), key.algorithm())
            .map_err(|_| TokenError::Invalid)?;
        if claims.scope.as_deref() != scope {
            return Err(TokenError::WrongType);
        }
        if claims.iss != self.issuer {
            return Err(TokenError::WrongIssuer);
        }
        let audience_is_good = match (&self.audience, &claims.aud) {
            (None, _) => true,
            (Some(name), Some(aud)) => aud.contains(name),
            (Some(_), None) => false,
        };
        if !audience_is_good {
            return Err(TokenError::WrongAudience);
        }
        if claims.exp > LATEST || claims.iat > claims.exp {
            return Err(TokenError::Invalid);
        }
        // A token out of the future would outlive the memory of its session's end.
        let soon = now.saturating_add(CLOCKS_APART);
        if claims.iat > soon || claims.nbf.is_some_and(|nbf| nbf > soon) {
            return Err(TokenError::NotYet);
        }
        Ok((claims, key.retires_at()))
    }
}

impl Verifier {
    /// Checks a token whose time is not over, or finds it among those that were checked before.
    ///
    /// # Errors
    /// [`TokenError::Expired`] for a good token whose time is over; [`TokenError`]'s other variants
    /// for everything that is no token of ours.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::TokenError;
    ///
    /// # let (verifier, token) = (world::verifier::<()>(), world::token());
    /// assert_eq!(verifier.verify(&token, 10_000).unwrap().claims.sub, "7");
    /// assert_eq!(verifier.verify(&token, 10_300).unwrap_err(), TokenError::Expired);
    /// ```
    pub fn verify(&self, token: &str, now: u64) -> Result<Arc<Seen<()>>, TokenError> {
        if let Some(seen) = self.seen(token, now) {
            return Ok(seen);
        }
        Ok(self.remember(token, self.check(token, now)?, ()))
    }
}

impl<T> fmt::Debug for Verifier<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// A token whose signature and form are good.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// # let (verifier, token) = (world::verifier::<()>(), world::token());
/// let verified = verifier.check(&token, 10_000).unwrap();
/// assert_eq!(verified.claims.exp, 10_300);
/// assert!(!verified.expired);
/// ```
#[derive(Debug, Clone)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// Whether its time is over: [`check_but_expiry`](Verifier::check_but_expiry) alone lets such a
    /// token through.
    pub expired: bool,
    until: u64,
    generation: u64,
}

/// A token that was verified before, and what the caller attached to it.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// # let (verifier, token) = (world::verifier(), world::token());
/// let verified = verifier.check(&token, 10_000).unwrap();
/// verifier.remember(&token, verified, "whatever your service knows of this user");
/// assert_eq!(
///     verifier.seen(&token, 10_001).unwrap().attached,
///     "whatever your service knows of this user"
/// );
/// ```
#[derive(Debug)]
pub struct Seen<T> {
    /// What it says.
    pub claims: Claims,
    /// The caller's own.
    pub attached: T,
    until: u64,
    generation: u64,
    /// In bytes, without the token itself.
    weight: usize,
}

impl<T> Seen<T> {
    /// When it ends, in whole seconds since 1970: what it says itself, or earlier where tokens may
    /// live [no longer](Verifier::no_longer_than), or its key is retired before.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::Verifier;
    ///
    /// # let (verifier, token) = (world::verifier(), world::token());
    /// let strict: Verifier = verifier.no_longer_than(60);
    /// let seen = strict.verify(&token, 10_000).unwrap(); // issued at 10 000, for five minutes
    /// assert_eq!((seen.claims.exp, seen.ends_at()), (10_300, 10_060));
    /// ```
    pub fn ends_at(&self) -> u64 {
        self.until
    }

    /// As when it was checked, to be remembered with something else attached.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let (verifier, token) = (world::verifier(), world::token());
    /// let seen =
    ///     verifier.remember(&token, verifier.check(&token, 10_000).unwrap(), "an old name");
    /// verifier.remember(&token, seen.verified(), "a new name");
    /// assert_eq!(verifier.seen(&token, 10_001).unwrap().attached, "a new name");
    /// ```
    pub fn verified(&self) -> Verified {
        Verified {
            claims: self.claims.clone(),
            expired: false,
            until: self.until,
            generation: self.generation,
        }
    }
}

/// Why a token is not accepted.
///
/// ```
/// use countersign_verify::{Code, Problem, TokenError};
///
/// assert_eq!(TokenError::WrongType.to_string(), "This is not an access token.");
/// assert_eq!(Problem::from(TokenError::Expired).code(), Code::TokenExpired);
/// assert_eq!(Problem::from(TokenError::WrongType).code(), Code::TokenInvalid);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The header or the token has not the form it must have.
    #[error("Send `Authorization: Bearer` and the access token as login or refresh returned it.")]
    Malformed,
    /// Longer than any token we issue.
    #[error("The access token is longer than {MAX_TOKEN_BYTES} bytes.")]
    TooLong,
    /// A refresh token, or another JWT that is no access token.
    #[error("This is not an access token.")]
    WrongType,
    /// Signed with a key that is not, or no longer, in the key set.
    #[error("The access token was signed with a key that is not in use.")]
    UnknownKey,
    /// The signature is wrong, or a claim is missing or of the wrong type.
    #[error("The access token's signature or claims are not valid.")]
    Invalid,
    /// Issued by somebody else.
    #[error("The access token was issued by another issuer.")]
    WrongIssuer,
    /// Meant for somebody else.
    #[error("The access token is meant for another audience.")]
    WrongAudience,
    /// A token whose time has not come: `iat` or `nbf` is more than a minute away.
    #[error("The access token's time has not come. Are the clocks more than a minute apart?")]
    NotYet,
    /// A good token whose time is over.
    #[error("The access token has expired. Refresh, and try again.")]
    Expired,
}

/// The longest access token that counts, in bytes: servers and proxies take no longer header
/// either.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The header `typ` of an access token (RFC 9068, 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The header `typ` of an access token with which a second factor may be enrolled, and nothing
/// else done: who knows only [`ACCESS_TOKEN_TYPE`] refuses it.
pub const ENROL_TOKEN_TYPE: &str = "et+jwt";

/// The claim `scope` of such a token.
pub const ENROL: &str = "enrol";

#[derive(Debug)]
struct Generation {
    number: u64,
    keys: KeySet,
}

/// What the clocks of two machines may differ by, in seconds.
pub(crate) const CLOCKS_APART: u64 = 60;

/// The last second of the year 9999: a later `exp` is an attempt to overflow somebody.
const LATEST: u64 = 253_402_300_799;
