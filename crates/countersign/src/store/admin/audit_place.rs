//! Places in the audit log, as whoever carries it elsewhere reads it.

use jiff::Timestamp;

/// A place in the audit log, in the order in which lines can be read: no line ever appears before a
/// place that was read. It is worth something in its own database only.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{AuditLog, AuditPlace};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// assert!(store.audit_after(None, 100).await.unwrap().unwrap().is_empty());
/// let elsewhere = AuditPlace { batch: 4711, id: 1, at: jiff::Timestamp::UNIX_EPOCH };
/// assert!(store.audit_after(Some(elsewhere), 100).await.unwrap().is_none());
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditPlace {
    /// What was written together with the line there, as the store counts it.
    pub batch: i64,
    /// The number of the line there.
    pub id: i64,
    /// When it was written: another line of this number is another place.
    pub at: Timestamp,
}
