//! What is done once a backup was restored: what was cut off since it was made stays cut off.

use countersign::store::admin::{AfterRestore, ServiceTokenRow};
use jiff::Timestamp;

use super::{Operator, service_tokens};
use crate::command_error::CommandError;
use crate::services::Services;

impl Operator<'_> {
    /// Ends what a backup of this time brought back: keys, sessions and mailed links. Ids go on
    /// after a gap. How much ended, but for the keys.
    ///
    /// # Errors
    /// As for [`rotate_keys`](Self::rotate_keys), and the store's. Where it fails, it is done again
    /// from the beginning.
    pub(crate) async fn after_restore(
        &self,
        services: &Services,
        backup: Timestamp,
    ) -> Result<AfterRestore, CommandError> {
        // First: under a secret that opens no key nothing is ended. One that leaked, and was cut
        // off since, would sign again.
        self.rotate_keys(services, true).await?;
        let ended = self.store.after_restore(backup, &self.by).await?;
        // The backup does not know which ids were given out after it.
        self.store.skip_ids().await?;
        Ok(ended)
    }
}

/// The service tokens that count again. Whether one of them was revoked since the backup nobody
/// knows, and without those that were not programs stand still: an operator looks at them.
///
/// # Errors
/// The store's.
pub(crate) async fn tokens_brought_back(
    services: &Services,
    backup: Timestamp,
) -> Result<Vec<ServiceTokenRow>, CommandError> {
    let now = services.clock.now();
    let counts = |token: &ServiceTokenRow| {
        token.created_at <= backup && token.revoked_at.is_none() && token.expires_at > now
    };
    Ok(service_tokens::all(services).await?.into_iter().filter(counts).collect())
}
