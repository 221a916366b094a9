use std::fmt;

use async_trait::async_trait;

/// Hands a message on: to an SMTP server, into a folder, or whatever an app has for it.
///
/// ```
/// use countersign::mail::{MailError, Mailer, Message};
///
/// #[derive(Debug)]
/// struct Printer;
///
/// #[async_trait::async_trait]
/// impl Mailer for Printer {
///     async fn send(&self, message: &Message) -> Result<(), MailError> {
///         println!("to {}: {}", message.to, message.subject);
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Mailer: fmt::Debug + Send + Sync + 'static {
    /// Sends it. May be asked again for the same message, with the same `message_id`, when it is
    /// not known whether it was sent.
    ///
    /// # Errors
    /// [`MailError`], which says whether there is sense in trying again.
    async fn send(&self, message: &Message) -> Result<(), MailError>;
}

/// A mail, ready to be sent.
///
/// ```
/// use countersign::mail::Message;
///
/// let mut message = Message::new("noreply@example.com", "ada@example.com", "<7@example.com>");
/// message.text = "https://example.com/account/reset?token=secret".to_owned();
/// assert!(!format!("{message:?}").contains("secret"));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Message {
    /// The setting `mail_from`.
    pub from: String,
    /// The setting `mail_reply_to`.
    pub reply_to: Option<String>,
    /// The one address that it goes to.
    pub to: String,
    /// One line.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// As HTML.
    pub html: String,
    /// The same for every try, in angle brackets (RFC 5322, 3.6.4).
    pub message_id: String,
    /// The language that it is in (RFC 3282).
    pub language: String,
}

impl Message {
    /// One without subject and texts, in English, for who tries a [`Mailer`].
    ///
    /// ```
    /// use countersign::mail::Message;
    ///
    /// let message = Message::new("noreply@example.com", "ada@example.com", "<7@example.com>");
    /// assert_eq!((message.to.as_str(), message.subject.as_str()), ("ada@example.com", ""));
    /// ```
    #[must_use]
    pub fn new(from: &str, to: &str, message_id: &str) -> Self {
        Self {
            from: from.to_owned(),
            reply_to: None,
            to: to.to_owned(),
            subject: String::new(),
            text: String::new(),
            html: String::new(),
            message_id: message_id.to_owned(),
            language: "en".to_owned(),
        }
    }
}

/// Without its texts, which hold links and codes, and without the address.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

/// Why a message was not sent.
///
/// ```
/// use countersign::mail::MailError;
///
/// let full = MailError::later("452 4.2.2 mailbox full");
/// assert!(!full.is_permanent && full.to_string().contains("mailbox full"));
/// assert!(MailError::never("550 5.1.1 no such user").is_permanent);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct MailError {
    /// What the other side said, for the operator: at most 300 characters.
    pub reason: String,
    /// Whether it will be no better later: the address does not exist.
    pub is_permanent: bool,
}

impl MailError {
    /// It may be better later.
    ///
    /// ```
    /// assert!(!countersign::mail::MailError::later("no connection").is_permanent);
    /// ```
    pub fn later(reason: impl fmt::Display) -> Self {
        Self { reason: shortened(&reason), is_permanent: false }
    }

    /// It will never do.
    ///
    /// ```
    /// assert!(countersign::mail::MailError::never("no such user").is_permanent);
    /// ```
    pub fn never(reason: impl fmt::Display) -> Self {
        Self { reason: shortened(&reason), is_permanent: true }
    }
}

/// What a server says is a stranger's text: one line of bounded length.
fn shortened(reason: &dyn fmt::Display) -> String {
    let text = reason.to_string();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
