//! Rotating the signing keys: the new one is known to everybody before it signs, the old ones verify until their last token has expired.

use std::time::Duration;

use crate::clock::{Clock, Random};
use crate::store::{Store, StoreError};
use crate::token::{Algorithm, KeyError, KeyId, SealedKey, Secrets};

/// Makes a new signing key and retires the others: at once with `cut_off`, else when the last token that they signed has expired.
///
/// The new key is published before it signs, so that every process knows it by then. Returns the new key's id.
///
/// # Errors
/// [`RotateError`] when the key cannot be made or stored; the old keys then go on.
pub async fn rotate(
    store: &dyn Store,
    secrets: &Secrets,
    algorithm: Algorithm,
    access_lifetime: Duration,
    cut_off: bool,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<KeyId, RotateError> {
    let now = clock.now();
    let activates_at = if cut_off { now } else { now.saturating_add(PUBLISHED_AHEAD)? };
    let retire_others = if cut_off { now } else { activates_at.saturating_add(access_lifetime)?.saturating_add(RETIRED_LATE)? };
    let key = SealedKey::generate(algorithm, secrets, now, activates_at, random)?;
    let id = key.id;
    store.add_key(key, retire_others).await?;
    Ok(id)
}

/// Why the keys were not rotated.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RotateError {
    /// The key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A lifetime beyond all calendars.
    #[error("the access lifetime is too long: {0}")]
    Time(#[from] jiff::Error),
}

/// A minute for the caches that may keep the key set, and half a minute for verifiers that look for a key they do not know no more often than that (PyJWT, jose), and then some.
const PUBLISHED_AHEAD: Duration = Duration::from_secs(120);

/// What the clocks of several machines may differ by.
const RETIRED_LATE: Duration = Duration::from_secs(60);
