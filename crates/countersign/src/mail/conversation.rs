//! What is said to a mail server, and what a refusal of it is about: the address, or us.
//!
//! The commands are sent one by one, because only the answer to `RCPT TO` is about the address by
//! itself. What the server says of the client, the login, the sender or a quota is the operator's
//! to mend, and the mail is worth another try.

use std::error::Error as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{
    ClientId, Extension, MailBodyParameter, MailParameter, ServerInfo,
};
use tokio::task::JoinHandle;

use super::MailError;

/// A mail server, and the one connection to it that is kept while there is something to send.
pub(super) struct MailServer {
    pub(super) host: String,
    port: u16,
    tls: Tls,
    login: Option<Credentials>,
    idle: Arc<Mutex<Option<Idle>>>,
}

/// A connection that waits for the next mail, and what closes it where none comes.
struct Idle {
    connection: AsyncSmtpConnection,
    closing: JoinHandle<()>,
}

impl MailServer {
    pub(super) fn new(host: String, port: u16, tls: Tls, login: Option<Credentials>) -> Self {
        Self { host, port, tls, login, idle: Arc::default() }
    }

    /// Hands one message over.
    pub(super) async fn take(&self, message: &lettre::Message) -> Result<(), MailError> {
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            // The greeting and the login are about us.
            None => self.connect().await.map_err(MailError::later)?,
        };
        let taken = hand_over(&mut connection, message).await;
        match &taken {
            Ok(()) => self.keep(connection),
            Err(_) => leave(connection).await,
        }
        taken
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let (server, hello) = ((self.host.as_str(), self.port), ClientId::default());
        let wrapped = match &self.tls {
            Tls::Wrapper(tls) => Some(tls.clone()),
            _ => None,
        };
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(PATIENCE), &hello, wrapped, None)
                .await?;
        if let Tls::Required(tls) = &self.tls {
            connection.starttls(tls.clone(), &hello).await?;
        }
        if let Some(login) = &self.login {
            connection.auth(DEFAULT_MECHANISMS, login).await?;
        }
        Ok(connection)
    }

    /// The connection of the last mail, if it still answers.
    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        let Idle { mut connection, closing } = slot(&self.idle).take()?;
        closing.abort();
        connection.test_connected().await.then_some(connection)
    }

    /// Keeps the connection for the next mail, for a while.
    fn keep(&self, connection: AsyncSmtpConnection) {
        let idle = Arc::downgrade(&self.idle);
        let closing = tokio::spawn(async move {
            tokio::time::sleep(IDLE).await;
            let over = idle.upgrade().and_then(|idle| slot(&idle).take());
            if let Some(over) = over {
                leave(over.connection).await;
            }
        });
        *slot(&self.idle) = Some(Idle { connection, closing });
    }
}

fn slot(idle: &Mutex<Option<Idle>>) -> MutexGuard<'_, Option<Idle>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says goodbye, and waits for no long answer.
async fn leave(mut connection: AsyncSmtpConnection) {
    let _ = tokio::time::timeout(PARTING, connection.abort()).await;
}

async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    message: &lettre::Message,
) -> Result<(), MailError> {
    let (envelope, bytes) = (message.envelope(), message.formatted());
    let parameters = parameters(connection.server_info(), envelope, &bytes)?;
    // Nothing has been said of the address yet.
    let from = Mail::new(envelope.from().cloned(), parameters);
    connection.command(from).await.map_err(MailError::later)?;
    for to in envelope.to() {
        let to = Rcpt::new(to.clone(), Vec::new());
        connection.command(to).await.map_err(|error| refused(&error, Stage::Recipient))?;
    }
    connection.command(Data).await.map_err(|error| refused(&error, Stage::Content))?;
    let taken = connection.message(&bytes).await;
    taken.map(drop).map_err(|error| refused(&error, Stage::Content))
}

/// What the server has to know beforehand of letters that are not ASCII (RFC 6152, RFC 6531).
fn parameters(
    server: &ServerInfo,
    envelope: &lettre::address::Envelope,
    bytes: &[u8],
) -> Result<Vec<MailParameter>, MailError> {
    let mut parameters = Vec::new();
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !server.supports_feature(Extension::SmtpUtfEight) {
            let why = "the mail server takes no addresses with letters beyond ASCII (SMTPUTF8)";
            return Err(MailError::later(why));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !bytes.is_ascii() {
        if !server.supports_feature(Extension::EightBitMime) {
            let why = "the mail server takes no letters beyond ASCII (8BITMIME)";
            return Err(MailError::later(why));
        }
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}

/// How far the conversation had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The answer is to `RCPT TO`.
    Recipient,
    /// The address was taken, and the answer is to `DATA` or the mail.
    Content,
}

fn refused(error: &Error, stage: Stage) -> MailError {
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    let code = error.status().filter(|_| error.is_permanent()).map(|code| code.to_string());
    match code {
        Some(code) if is_of_the_address(&code, &said, stage) => MailError::never(error),
        _ => MailError::later(error),
    }
}

/// Whether a refusal for good (5xx) means the address, and not who sends, or from where.
///
/// The enhanced status says it where there is one (RFC 3463): `5.1` and `5.2` are about the address
/// and its mailbox, but for those about the sender. Many servers keep what they have against the
/// client or the sender until `RCPT TO`, so without it that stage is not enough: 554 is "no
/// service" or a list of blocked clients, and a 550 may say that we may not relay.
fn is_of_the_address(code: &str, said: &str, stage: Stage) -> bool {
    match enhanced(said) {
        Some((5, 2, _)) => true,
        // 5.1.0 says no more than that it is some address: the sender's too, once both are known.
        Some((5, 1, detail)) => {
            RECIPIENT_DETAILS.contains(&detail) || (detail == 0 && stage == Stage::Recipient)
        }
        Some(_) => false,
        None => {
            let said = said.to_ascii_lowercase();
            stage == Stage::Recipient
                && matches!(code, "550" | "551" | "553" | "556")
                && !ABOUT_US.iter().any(|word| said.contains(word))
        }
    }
}

/// The status that a sentence begins with, such as `5.1.1`.
fn enhanced(said: &str) -> Option<(u16, u16, u16)> {
    let status = said.trim_start_matches('#').split_whitespace().next()?;
    let mut numbers = status.split('.').map(|number| number.parse().ok());
    let status = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(status)
}

/// No such mailbox, no such system, an address of a wrong shape or of several mailboxes, a mailbox
/// that has moved, a domain that takes no mail. The others are about the sender (RFC 3463, 3.2; RFC
/// 7505).
const RECIPIENT_DETAILS: [u16; 6] = [1, 2, 3, 4, 6, 10];
/// What servers without an enhanced status say where they mean who sends.
const ABOUT_US: [&str; 3] = ["relay", "sender", "authenti"];

/// How long a server may take until it is connected to.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection is kept without a mail.
const IDLE: Duration = Duration::from_secs(30);
/// How long a server may take to say goodbye.
const PARTING: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_address_is_for_good_and_one_of_us_is_not() {
        use Stage::{Content, Recipient};
        for (code, said, stage) in [
            ("550", "5.1.1 no such user", Recipient),
            ("550", "5.1.1 no such user", Content),
            ("550", "#5.1.0 Address rejected.", Recipient),
            ("501", "5.1.3 Bad recipient address syntax", Recipient),
            ("556", "5.1.10 Recipient address has null MX", Recipient),
            ("550", "5.2.1 The email account is disabled", Recipient),
            ("552", "5.2.2 mailbox full", Content),
            ("550", "No such user here", Recipient),
            ("550", "", Recipient),
            ("553", "mailbox name not allowed", Recipient),
        ] {
            assert!(is_of_the_address(code, said, stage), "{code} {said} {stage:?}");
        }
        for (code, said, stage) in [
            ("554", "5.7.1 <ada@example.com>: Relay access denied", Recipient),
            ("554", "5.7.1 Client host blocked", Recipient),
            ("553", "5.7.1 <x@y.example>: Sender address rejected: not owned by user", Recipient),
            ("550", "5.1.8 Sender address rejected: Domain not found", Recipient),
            ("553", "5.1.7 bad sender's mailbox address syntax", Recipient),
            ("550", "relay not permitted", Recipient),
            ("550", "Sender verify failed", Recipient),
            ("530", "Authentication required", Recipient),
            ("503", "bad sequence of commands", Recipient),
            ("554", "no", Recipient),
            ("550", "5.1.0 Address rejected", Content),
            ("554", "sender domain not verified", Content),
            ("550", "no such user", Content),
            ("550", "5.7.26 This mail is unauthenticated", Content),
            ("550", "4.1.1 nonsense", Recipient),
            ("550", "5.1.1.1 is no status, of a relay", Recipient),
        ] {
            assert!(!is_of_the_address(code, said, stage), "{code} {said} {stage:?}");
        }
    }
}
