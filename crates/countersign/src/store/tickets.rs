//! Tickets that were used.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::token::TicketId;

/// What is asked of a store about tickets: a ticket proves itself by its signature, and the store
/// knows which were used.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::TicketStore;
/// use countersign::token::TicketId;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let now = world::midnight();
/// let until = now + std::time::Duration::from_secs(3600);
/// assert!(store.use_ticket(TicketId([7; 16]), now, until).await.unwrap());
/// assert!(!store.use_ticket(TicketId([7; 16]), now, until).await.unwrap());
/// # });
/// ```
#[async_trait]
pub trait TicketStore: Send + Sync {
    /// Notes that a ticket is used, for as long as it could be shown again: until `until`. Whether
    /// it was not. Some of those are forgotten with it whose time was over half an hour ago, at
    /// `now` and by the store's idea of the time
    /// ([`agree_on_time`](super::Upkeep::agree_on_time)).
    async fn use_ticket(
        &self,
        ticket: TicketId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;
}
