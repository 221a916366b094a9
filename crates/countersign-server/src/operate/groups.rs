//! Groups as people and programs name them.

use countersign::store::StoreError;
use countersign::store::admin::AdminStore;

/// The id of the group that is called so.
///
/// # Errors
/// The store's.
pub(crate) async fn group_id(
    store: &dyn AdminStore,
    name: &str,
) -> Result<Option<i64>, StoreError> {
    // Of all names that begin so, the shortest comes first.
    let found = store.groups(name, None, 1).await?;
    Ok(found.first().filter(|group| group.name == name).map(|group| group.id))
}
