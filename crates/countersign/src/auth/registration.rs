//! Registration: what an app has to say before somebody registers, and what it does after.
//!
//! ```
//! use async_trait::async_trait;
//! use countersign::http::{Code, Problem};
//! use countersign::registration::{Asked, RegistrationHooks};
//!
//! /// Who registers accepts the terms.
//! #[derive(Debug)]
//! struct Terms;
//!
//! #[async_trait]
//! impl RegistrationHooks for Terms {
//!     async fn before(&self, asked: &mut Asked<'_>) -> Result<(), Problem> {
//!         match asked.flag("terms") {
//!             true => Ok(()),
//!             false => Err(Problem::new(Code::ValidationError).field("terms", "Accept them.")),
//!         }
//!     }
//! }
//! ```

use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use axum::http::HeaderMap;
use countersign_verify::{Problem, UserId};
use serde_json::{Map, Value};

/// What an app does when somebody registers. Each method does nothing unless you write it.
///
/// ```
/// use async_trait::async_trait;
/// use countersign::http::{Code, OwnCode, Problem};
/// use countersign::registration::{Asked, Registered, RegistrationHooks};
///
/// #[derive(Debug)]
/// struct OurPeople(std::sync::mpsc::Sender<String>);
///
/// static STRANGER: OwnCode = OwnCode {
///     status: axum::http::StatusCode::FORBIDDEN,
///     code: "domain_not_allowed",
///     title: "Domain not allowed",
///     detail: "Register with your address of example.com.",
/// };
///
/// #[async_trait]
/// impl RegistrationHooks for OurPeople {
///     async fn before(&self, asked: &mut Asked<'_>) -> Result<(), Problem> {
///         if asked.domain() != Some("example.com") {
///             return Err(Problem::new(Code::Own(&STRANGER)));
///         }
///         let team = asked.text("team").to_owned();
///         asked.metadata.insert("team".to_owned(), team.into());
///         Ok(())
///     }
///
///     async fn after(&self, registered: Registered) {
///         let _ = self.0.send(format!("{} is new", registered.username));
///     }
/// }
/// ```
#[async_trait]
pub trait RegistrationHooks: fmt::Debug + Send + Sync + 'static {
    /// Before anything is hashed or written: whether they may register, and what is kept of the
    /// fields that only the app knows. It is asked when our own fields are in order. The client
    /// waits for it.
    ///
    /// It must not depend on who has an account already: its answer would tell.
    ///
    /// # Errors
    /// The answer to the client: a [`Problem`] with a code of ours or of the app's own.
    async fn before(&self, asked: &mut Asked<'_>) -> Result<(), Problem> {
        let _ = asked;
        Ok(())
    }

    /// After the user is made and on the disk. It runs by itself, and may be lost with the process:
    /// what must not be lost belongs into the row.
    async fn after(&self, registered: Registered) {
        let _ = registered;
    }
}

/// Somebody who wants to register.
///
/// ```
/// use countersign::registration::Asked;
///
/// fn is_a_robot(asked: &Asked<'_>) -> bool {
///     !asked.text("website").is_empty() // a field that no person sees
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Asked<'a> {
    /// The user name: one that may be taken, but not a wrong one.
    pub username: &'a str,
    /// The address, likewise. Nobody has proved it.
    pub email: Option<&'a str>,
    /// The given name.
    pub first_name: &'a str,
    /// The family name.
    pub last_name: &'a str,
    /// Every other field of the body, as it came: of a form, texts only.
    pub fields: Map<String, Value>,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// Where it comes from, through trusted proxies only.
    pub ip: IpAddr,
    /// What is kept in the user's row, at first nothing: what strangers send is not kept by itself.
    pub metadata: Map<String, Value>,
}

impl Asked<'_> {
    /// A text among the other fields; empty where there is none.
    ///
    /// ```
    /// use countersign::registration::Asked;
    ///
    /// fn company<'a>(asked: &'a Asked<'_>) -> &'a str {
    ///     asked.text("company").trim()
    /// }
    /// ```
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether one of the other fields is `true`, or the box of a form that is ticked.
    ///
    /// ```
    /// use countersign::registration::Asked;
    ///
    /// fn wants_letters(asked: &Asked<'_>) -> bool {
    ///     asked.flag("newsletter")
    /// }
    /// ```
    #[must_use]
    pub fn flag(&self, field: &str) -> bool {
        match self.fields.get(field) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => matches!(text.as_str(), "true" | "True" | "on" | "1"),
            _ => false,
        }
    }

    /// The domain of the address, in lower case.
    ///
    /// ```
    /// use countersign::registration::Asked;
    ///
    /// fn is_ours(asked: &Asked<'_>) -> bool {
    ///     asked.domain().is_some_and(|domain| ["example.com", "example.org"].contains(&domain))
    /// }
    /// ```
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.email.and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain)
    }
}

/// Somebody who has registered.
///
/// ```
/// use countersign::registration::Registered;
///
/// fn line(new: &Registered) -> String {
///     format!("{} ({}) from {}", new.username, new.user, new.ip)
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Registered {
    /// Who it is.
    pub user: UserId,
    /// Their name.
    pub username: String,
    /// The address that was given. Nobody has proved it: it may be another's.
    pub email: Option<String>,
    /// What [`before`](RegistrationHooks::before) kept.
    pub metadata: Map<String, Value>,
    /// Where they came from.
    pub ip: IpAddr,
}

/// Everybody may register, and nobody hears of it.
#[derive(Debug)]
pub(crate) struct NoHooks;

impl RegistrationHooks for NoHooks {}
