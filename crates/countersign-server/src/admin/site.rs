//! What the pages of the admin site share.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock, Random};
use countersign::store::admin::AdminStore;
use countersign::web::origin::Origin;
use countersign::{Auth, Settings};
use jiff::Timestamp;

use crate::record::Recorder;
use crate::services::Services;

/// The admin site.
#[derive(Clone)]
pub(crate) struct Admin(Arc<Inner>);

/// What its pages share.
pub(crate) struct Inner {
    pub(crate) auth: Auth,
    /// What the acts of an operator work on.
    pub(crate) services: Services,
    pub(crate) store: Arc<dyn AdminStore>,
    pub(crate) settings: Settings,
    pub(crate) recorder: Recorder,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) origin: Origin,
    pub(crate) https: bool,
    pub(crate) limits: Limits,
    pub(crate) first_user: Option<String>,
    pub(crate) started: Timestamp,
}

/// How long things may last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A session without a request.
    pub(crate) idle: Duration,
    /// A session at most.
    pub(crate) absolute: Duration,
    /// The sending of a form.
    pub(crate) body: Duration,
    /// A user's session without a refresh, to tell why it ended.
    pub(crate) session_idle: Duration,
}

impl Admin {
    /// The site that shares this.
    pub(crate) fn of(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Where the script of a page asks what a passkey is to sign.
    pub(crate) fn passkey_options(&self) -> String {
        format!("{}{}/login/passkey/begin", self.settings.home(), self.settings.base_path)
    }

    /// Where the first superuser could be made at the start, if there was none.
    pub(crate) fn first_user_link(&self) -> Option<String> {
        let home = self.settings.home();
        self.first_user.as_ref().map(|path| format!("{}{home}{path}", self.origin))
    }
}

impl Deref for Admin {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("origin", &self.origin).finish_non_exhaustive()
    }
}
