//! Mail on a developer's machine: printed where the server runs.

use std::io::Write;

use async_trait::async_trait;
use countersign::mail::{MailError, Mailer, Message};

/// Prints each mail on the standard output.
#[derive(Debug)]
pub(crate) struct ConsoleMailer;

#[async_trait]
impl Mailer for ConsoleMailer {
    async fn send(&self, message: &Message) -> Result<(), MailError> {
        let (to, subject, text) = (&message.to, &message.subject, message.text.trim_end());
        let mail = format!("\nTo: {to}\nSubject: {subject}\n\n{text}\n\n");
        let mut out = std::io::stdout().lock();
        out.write_all(mail.as_bytes()).and_then(|()| out.flush()).map_err(MailError::later)
    }
}
