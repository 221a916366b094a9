//! The signing keys: the first one, and those that change while we run.

use super::settings::Settings;
use super::{Auth, StartError};
use crate::clock::{Clock, Random};
use crate::key_rotation::{make_first, rotate};
use crate::store::{KeyStore, StoreError};
use crate::token::{KeyRing, Secrets};

impl Auth {
    /// Reads the signing keys again.
    pub(crate) async fn load_keys(&self) -> Result<(), StoreError> {
        let keys = self.0.store.keys().await?;
        if let Err(error) = self.0.ring.replace(&keys, &self.0.secrets, self.0.clock.now()) {
            tracing::error!(%error, "the signing keys changed and cannot be read; the old ones go \
                on");
            return Ok(());
        }
        self.0.verifier.set_keys(&self.0.ring.key_set());
        Ok(())
    }
}

/// The keys as they are stored; the first is made where there is none, and one of the algorithm of
/// the settings where the newest is of another.
pub(super) async fn open_ring(
    settings: &Settings,
    secrets: &Secrets,
    store: &dyn KeyStore,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<KeyRing, StartError> {
    let ring = KeyRing::new(&store.keys().await?, secrets, clock.now())?;
    let Some(algorithm) = ring.newest_algorithm() else {
        let (algorithm, lifetime) = (settings.signing_algorithm, settings.access_lifetime);
        make_first(store, secrets, algorithm, lifetime, clock.now(), random).await?;
        return Ok(KeyRing::new(&store.keys().await?, secrets, clock.now())?);
    };
    if algorithm != settings.signing_algorithm {
        rotate(
            store,
            secrets,
            settings.signing_algorithm,
            settings.access_lifetime,
            false,
            clock,
            random,
        )
        .await?;
        return Ok(KeyRing::new(&store.keys().await?, secrets, clock.now())?);
    }
    Ok(ring)
}
