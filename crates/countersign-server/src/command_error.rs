//! Why a command fails: one sentence on standard error, exit status 1.

use countersign::store::StoreError;
use countersign::store::admin::AdminError;

use crate::config::ConfigError;

/// Why a command failed: one sentence that says what to do.
#[derive(Debug)]
pub(crate) struct CommandError(String);

impl CommandError {
    /// A failure with this sentence.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// The sentence.
    pub(crate) fn sentence(&self) -> &str {
        &self.0
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UsernameTaken => {
                Self::new("another user has this name; choose another one")
            }
            StoreError::EmailTaken => {
                Self::new("another user has this address, or is called so; choose another one")
            }
            StoreError::Busy => Self::new("the database is busy; try again in a moment"),
            other => Self::new(other.to_string()),
        }
    }
}

impl From<AdminError> for CommandError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Store(error) => error.into(),
            AdminError::LastSuperuser => Self::new(
                "nobody would be left who can do everything: make another superuser first, with \
                 `countersign createsuperuser`",
            ),
            other => Self::new(other.to_string()),
        }
    }
}

macro_rules! fails_with {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                Self::new(error.to_string())
            }
        })+
    };
}

fails_with!(
    ConfigError,
    countersign::StartError,
    countersign::factor::NoFactorId,
    countersign::factor::ResealError,
    countersign::token::SecretsError,
    countersign::token::KeyError,
    countersign::key_rotation::RotateError,
    countersign::store::transfer::TransferError,
    countersign::password::HashSettingsError,
    countersign::password::HashError,
    countersign::password::PasswordError,
    countersign::password::BreachedError,
    countersign::user::UsernameError,
    countersign::user::EmailError,
    countersign::web::origin::OriginError,
    prometheus::Error,
    std::io::Error,
    serde_json::Error,
);
