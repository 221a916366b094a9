use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use countersign_verify::Account;
use serde::Serialize;
use serde_json::value::RawValue;

/// A user as the cache knows her: of whatever type, and her profile as it goes out, written once.
pub(crate) struct KnownUser {
    account: Box<dyn Account>,
    json: Box<RawValue>,
    profile: Arc<[u8]>,
}

impl KnownUser {
    pub(crate) fn new<U: Account + Serialize>(user: U) -> Self {
        let json = serde_json::value::to_raw_value(&user).unwrap_or_else(|error| {
            tracing::error!(%error, user = %user.id(), "this user cannot be written as JSON; the profile is empty");
            RawValue::NULL.to_owned()
        });
        let profile = format!("{{\"user\":{json}}}").into_bytes().into();
        Self { account: Box::new(user), json, profile }
    }

    /// The user object of the HTTP contract.
    pub(crate) fn json(&self) -> &RawValue {
        &self.json
    }

    /// The body of the profile's answer.
    pub(crate) fn profile(&self) -> &Arc<[u8]> {
        &self.profile
    }
}

impl Deref for KnownUser {
    type Target = dyn Account;

    fn deref(&self) -> &dyn Account {
        &*self.account
    }
}

impl fmt::Debug for KnownUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.account.fmt(f)
    }
}
