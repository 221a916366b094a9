//! Whether the groups are there that must have a second factor.

use countersign::sign_in::SecondFactor;
use countersign::store::StoreError;
use countersign::store::admin::AdminStore;

use super::Look;
use crate::command_error::CommandError;
use crate::services::Services;

impl Look<'_> {
    /// What the setting `second_factor` names and the store does not have.
    pub(super) async fn second_factor(&mut self, services: &Services) -> Result<(), CommandError> {
        // What is wrong with the configuration is told with it.
        let Ok(settings) = services.config.settings() else { return Ok(()) };
        for group in missing_groups(&*services.store, &settings.sign_in.second_factor).await? {
            self.warn(&format!("second_factor: {}", nobody_is_in(&group)));
        }
        Ok(())
    }
}

/// The groups of the policy that are not there: a name that was mistyped means nobody.
///
/// # Errors
/// The store's.
pub(crate) async fn missing_groups(
    store: &dyn AdminStore,
    policy: &SecondFactor,
) -> Result<Vec<String>, StoreError> {
    let mut missing = Vec::new();
    for name in policy.groups() {
        // Of all names that begin so, the shortest comes first.
        let found = store.groups(name, None, 1).await?;
        if found.first().is_none_or(|group| group.name != name) {
            missing.push(name.to_owned());
        }
    }
    Ok(missing)
}

/// What that means.
pub(crate) fn nobody_is_in(group: &str) -> String {
    format!(
        "there is no group {group:?}, so nobody must have a second factor by it; make the group, \
         or write optional, required, or a list of staff, superuser and names of groups"
    )
}
