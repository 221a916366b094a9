//! Mail on a developer's machine: printed where the server runs, and kept for `/demo/mail`.

use std::io::Write;
use std::sync::Arc;

use async_trait::async_trait;
use countersign::clock::Clock;
use countersign::mail::{MailError, Mailer, Message};
use tokio::sync::watch;

use super::demo::Mailbox;

/// Prints each mail on the standard output.
#[derive(Debug, Default)]
pub(crate) struct ConsoleMailer {
    announced: Option<watch::Receiver<bool>>,
    kept: Option<(Mailbox, Arc<dyn Clock>)>,
}

impl ConsoleMailer {
    /// One that prints nothing before the server has said where it listens: that is the first line,
    /// for scripts.
    pub(crate) fn after(announced: watch::Receiver<bool>) -> Self {
        Self { announced: Some(announced), kept: None }
    }

    /// One that puts what it prints into a mailbox too.
    pub(crate) fn keeping(self, mailbox: Mailbox, clock: Arc<dyn Clock>) -> Self {
        Self { kept: Some((mailbox, clock)), ..self }
    }
}

#[async_trait]
impl Mailer for ConsoleMailer {
    async fn send(&self, message: &Message) -> Result<(), MailError> {
        if let Some(announced) = &self.announced {
            // Whoever would have said it is gone otherwise.
            let _ = announced.clone().wait_for(|said| *said).await;
        }
        if let Some((mailbox, clock)) = &self.kept {
            mailbox.put(message, clock.now());
        }
        let (to, subject, text) = (&message.to, &message.subject, message.text.trim_end());
        let mail = format!("\nTo: {to}\nSubject: {subject}\n\n{text}\n\n");
        let mut out = std::io::stdout().lock();
        out.write_all(mail.as_bytes()).and_then(|()| out.flush()).map_err(MailError::later)
    }
}
