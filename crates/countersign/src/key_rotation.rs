//! Rotating the signing keys: the new one is known to everybody before it signs, the old ones
//! verify until their last token has expired.
//!
//! ```
//! # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
//! use std::time::Duration;
//!
//! use countersign::clock::{OsRandom, SystemClock};
//! use countersign::key_rotation::rotate;
//! use countersign::store::KeyStore;
//! use countersign::token::Algorithm;
//!
//! # world::block_on(async {
//! # let (store, secrets, _directory) = world::place();
//! // A key leaked: what it signed counts for nothing from now on.
//! let at_once = true;
//! rotate(
//!     &store,
//!     &secrets,
//!     Algorithm::EdDsa,
//!     Duration::from_secs(300),
//!     at_once,
//!     &SystemClock,
//!     &OsRandom,
//! )
//! .await
//! .unwrap();
//! assert_eq!(
//!     store.keys().await.unwrap().iter().filter(|key| key.retires_at.is_none()).count(),
//!     1
//! );
//! # });
//! ```

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{Clock, Random};
use crate::store::admin::{Actor, AdminError, KeyAdmin};
use crate::store::{KeyStore, StoreError};
use crate::token::{Algorithm, KeyError, KeyId, SealedKey, Secrets};

/// Makes a new signing key and retires the others: at once with `cut_off`, else when the last token
/// that they signed has expired.
///
/// The new key is published before it signs, so that every process knows it by then. Returns the
/// new key's id.
///
/// # Errors
/// [`RotateError`] when the key cannot be made or stored; the old keys then go on.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use std::time::Duration;
///
/// use countersign::clock::{OsRandom, SystemClock};
/// use countersign::key_rotation::rotate;
/// use countersign::store::KeyStore;
/// use countersign::token::Algorithm;
///
/// # world::block_on(async {
/// # let (store, secrets, _directory) = world::place();
/// let lifetime = Duration::from_secs(300); // of access tokens
/// let id = rotate(&store, &secrets, Algorithm::EdDsa, lifetime, false, &SystemClock, &OsRandom)
///     .await
///     .unwrap();
/// assert_eq!(store.keys().await.unwrap().last().unwrap().id, id);
/// # });
/// ```
pub async fn rotate(
    store: &dyn KeyStore,
    secrets: &Secrets,
    algorithm: Algorithm,
    access_lifetime: Duration,
    cut_off: bool,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<KeyId, RotateError> {
    let (key, retire_others) =
        next_key(secrets, algorithm, access_lifetime, cut_off, clock.now(), random)?;
    let id = key.id;
    store.add_key(key, retire_others).await?;
    Ok(id)
}

/// As [`rotate`], for an operator: the line that tells of it is written in the same transaction.
///
/// # Errors
/// [`RotateError`] when the key cannot be made or stored; the old keys then go on, and there is no
/// line.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use std::time::Duration;
///
/// use countersign::clock::OsRandom;
/// use countersign::key_rotation::rotate_by;
/// use countersign::store::KeyStore;
/// use countersign::store::admin::Actor;
/// use countersign::token::Algorithm;
///
/// # world::block_on(async {
/// # let (store, secrets, _directory) = world::place();
/// let lifetime = Duration::from_secs(300); // of access tokens
/// let by = Actor::shell("ada", jiff::Timestamp::now());
/// let id = rotate_by(&store, &secrets, Algorithm::EdDsa, lifetime, false, &OsRandom, &by)
///     .await
///     .unwrap();
/// assert_eq!(store.keys().await.unwrap().last().unwrap().id, id);
/// # });
/// ```
pub async fn rotate_by(
    store: &dyn KeyAdmin,
    secrets: &Secrets,
    algorithm: Algorithm,
    access_lifetime: Duration,
    cut_off: bool,
    random: &dyn Random,
    by: &Actor,
) -> Result<KeyId, RotateError> {
    let (key, retire_others) =
        next_key(secrets, algorithm, access_lifetime, cut_off, by.now, random)?;
    let id = key.id;
    match store.rotate_keys(key, retire_others, by).await {
        Ok(()) => Ok(id),
        Err(AdminError::Store(error)) => Err(error.into()),
        Err(error) => Err(StoreError::failed(error).into()),
    }
}

/// Makes the first key, which signs at once. Of several nodes that do so at the same time each has
/// one for a moment; what they signed until then counts until it has expired.
#[cfg(feature = "axum")]
pub(crate) async fn make_first(
    store: &dyn KeyStore,
    secrets: &Secrets,
    algorithm: Algorithm,
    access_lifetime: Duration,
    now: Timestamp,
    random: &dyn Random,
) -> Result<(), RotateError> {
    let key = SealedKey::generate(algorithm, secrets, now, now, random)?;
    let retire_others = later(later(now, access_lifetime)?, RETIRED_LATE)?;
    Ok(store.add_key(key, retire_others).await?)
}

/// A new key, and when the others retire.
fn next_key(
    secrets: &Secrets,
    algorithm: Algorithm,
    access_lifetime: Duration,
    cut_off: bool,
    now: Timestamp,
    random: &dyn Random,
) -> Result<(SealedKey, Timestamp), RotateError> {
    let activates_at = if cut_off { now } else { later(now, PUBLISHED_AHEAD)? };
    let retire_others =
        if cut_off { now } else { later(later(activates_at, access_lifetime)?, RETIRED_LATE)? };
    Ok((SealedKey::generate(algorithm, secrets, now, activates_at, random)?, retire_others))
}

fn later(time: Timestamp, by: Duration) -> Result<Timestamp, RotateError> {
    time.saturating_add(by).map_err(|error| RotateError::Time(error.to_string()))
}

/// Why the keys were not rotated.
///
/// ```
/// use countersign::key_rotation::RotateError;
/// use countersign::store::StoreError;
///
/// assert_eq!(RotateError::from(StoreError::Busy).to_string(), "the store is busy");
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A lifetime beyond all calendars.
    #[error("the access lifetime is too long: {0}")]
    Time(String),
}

/// A minute for the caches that may keep the key set, and half a minute for verifiers that look for
/// a key they do not know no more often than that (PyJWT, jose), and then some.
const PUBLISHED_AHEAD: Duration = Duration::from_secs(120);

/// What the clocks of several machines may differ by.
const RETIRED_LATE: Duration = Duration::from_secs(60);
