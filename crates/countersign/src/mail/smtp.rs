use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use lettre::address::{Address, Envelope};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::conversation::MailServer;
use super::{MailError, Mailer, Message};

/// Sends mails to an SMTP server: one connection, kept while there is something to send. Only where
/// the server refuses the address for good is there no other try; where it refuses the client, the
/// login or the sender, there is.
///
/// `smtp://USER:PASSWORD@HOST:587` demands STARTTLS, `smtps://HOST:465` is TLS from the beginning.
/// `?ca=FILE` trusts the certificates of a PEM file beside the system's. `?tls=none` speaks in the
/// clear, to this machine only.
///
/// ```
/// use countersign::mail::SmtpMailer;
///
/// let mailer = SmtpMailer::new("smtps://user:secret@mail.example.com").unwrap();
/// assert!(!format!("{mailer:?}").contains("secret"));
/// assert!(SmtpMailer::new("smtp://mail.example.com?tls=none").is_err());
/// ```
pub struct SmtpMailer(MailServer);

impl SmtpMailer {
    /// Reads the URL. Does not connect yet.
    ///
    /// # Errors
    /// [`MailUrlError`] with a sentence that says what to write.
    ///
    /// ```
    /// use countersign::mail::SmtpMailer;
    ///
    /// assert!(SmtpMailer::new("smtp://user:p%40ss@mail.example.com:587").is_ok());
    /// assert!(SmtpMailer::new("smtp://[::1]:1025?tls=none").is_ok());
    /// assert!(SmtpMailer::new("mail.example.com").is_err());
    /// ```
    pub fn new(url: &str) -> Result<Self, MailUrlError> {
        let server = Server::read(url)?;
        let mut tls = TlsParameters::builder(server.host.clone());
        if let Some(file) = &server.ca {
            let fail = |reason: String| MailUrlError(format!("{}: {reason}", file.display()));
            let pem = std::fs::read(file).map_err(|error| fail(error.to_string()))?;
            let certificate =
                Certificate::from_pem(&pem).map_err(|error| fail(error.to_string()))?;
            tls = tls.add_root_certificate(certificate);
        }
        let tls = tls.build_rustls().map_err(|error| MailUrlError(error.to_string()))?;
        let tls = match server.security {
            Security::StartTls => Tls::Required(tls),
            Security::Tls => Tls::Wrapper(tls),
            Security::None => Tls::None,
        };
        let login = server
            .login
            .map(|(user, password)| Credentials::new(user, password.expose_secret().to_owned()));
        Ok(Self(MailServer::new(server.host, server.port, tls, login)))
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, message: &Message) -> Result<(), MailError> {
        self.0.take(&encode(message)?).await
    }
}

/// Without the password.
impl std::fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpMailer").field("host", &self.0.host).finish_non_exhaustive()
    }
}

/// Writes each mail into a folder, as a file that mail programs open: `MESSAGE-ID.eml`. A mail may
/// hold a link that lets in, so that its file is for the owner alone (mode 0600).
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use countersign::mail::{FileMailer, Mailer, Message};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let folder = directory.path();
/// let mut message = Message::new("noreply@example.com", "ada@example.com", "<7@example.com>");
/// message.subject = "A test".to_owned();
/// message.text = "of mail".to_owned();
/// FileMailer::new(folder).unwrap().send(&message).await.unwrap();
/// let file = std::fs::read_to_string(folder.join("7@example.com.eml")).unwrap();
/// assert!(file.contains("Subject: A test"));
/// # });
/// ```
#[derive(Debug)]
pub struct FileMailer {
    folder: PathBuf,
}

impl FileMailer {
    /// Writes into `folder`, which is made where it is not there (mode 0700).
    ///
    /// # Errors
    /// [`MailUrlError`] when it cannot be made.
    ///
    /// ```
    /// assert!(countersign::mail::FileMailer::new("/proc/nowhere".as_ref()).is_err());
    /// ```
    pub fn new(folder: &Path) -> Result<Self, MailUrlError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| MailUrlError(format!("{}: {error}", folder.display())))?;
        Ok(Self { folder: folder.to_owned() })
    }
}

#[async_trait]
impl Mailer for FileMailer {
    async fn send(&self, message: &Message) -> Result<(), MailError> {
        let name: String = message
            .message_id
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '@' | '-' | '_' | '.'))
            .collect();
        let bytes = encode(message)?.formatted();
        let (unfinished, path) =
            (self.folder.join(format!(".{name}.tmp")), self.folder.join(format!("{name}.eml")));
        let written = tokio::task::spawn_blocking(move || {
            write_alone(&unfinished, &bytes)?;
            std::fs::rename(unfinished, path)
        });
        written.await.map_err(MailError::later)?.map_err(MailError::later)
    }
}

/// Makes a file for its owner alone, in place of one that a killed process has left. Where somebody
/// has laid a link, nothing is written through it.
fn write_alone(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}

/// A URL of a mail server that does not do.
///
/// ```
/// let error = countersign::mail::SmtpMailer::new("https://example.com").unwrap_err();
/// assert!(error.to_string().contains("smtp://"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MailUrlError(String);

/// Whether mails can come from this, or be answered to: an address, or `Name <address>`.
pub(crate) fn is_mailbox(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

/// The message as it travels (RFC 5322). Everything foreign in it is encoded.
fn encode(message: &Message) -> Result<lettre::Message, MailError> {
    // Whom mails come from is a setting, which somebody may mend.
    let own = |text: &str| {
        let wrong = |error| MailError::later(format!("the sender {text:?} is none: {error}"));
        text.parse::<Mailbox>().map_err(wrong)
    };
    let from = own(&message.from)?;
    let to = message.to.parse::<Address>().map_err(MailError::never)?;
    // Of its own: read from the headers, an address in quotation marks is none.
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.clone()]);
    let mut builder = lettre::Message::builder()
        .from(from)
        .to(Mailbox::new(None, to))
        .envelope(envelope.map_err(MailError::never)?)
        .subject(message.subject.clone())
        .message_id(Some(message.message_id.clone()))
        // Nobody's holiday notice answers it (RFC 3834).
        .raw_header(header("Auto-Submitted", "auto-generated")?)
        .raw_header(header("Content-Language", &message.language)?);
    if let Some(reply_to) = &message.reply_to {
        builder = builder.reply_to(own(reply_to)?);
    }
    let part = |kind, text: &str| SinglePart::builder().header(kind).body(text.to_owned());
    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, &message.text))
        .singlepart(part(ContentType::TEXT_HTML, &message.html));
    builder.multipart(parts).map_err(MailError::never)
}

fn header(name: &str, value: &str) -> Result<lettre::message::header::HeaderValue, MailError> {
    let name = lettre::message::header::HeaderName::new_from_ascii(name.to_owned())
        .map_err(MailError::never)?;
    Ok(lettre::message::header::HeaderValue::new(name, value.to_owned()))
}

enum Security {
    StartTls,
    Tls,
    None,
}

struct Server {
    host: String,
    port: u16,
    security: Security,
    login: Option<(String, SecretString)>,
    ca: Option<PathBuf>,
}

impl Server {
    fn read(text: &str) -> Result<Self, MailUrlError> {
        let wrong = |why: &str| {
            MailUrlError(format!(
                "{why}; write smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465"
            ))
        };
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        // An IPv6 address without its brackets: so it is connected to, and certificates name it.
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        };
        if host.is_empty() {
            return Err(wrong("there is no host in it"));
        }
        let (mut security, port) = match url.scheme() {
            "smtp" => (Security::StartTls, 587),
            "smtps" => (Security::Tls, 465),
            other => return Err(wrong(&format!("{other} is not a way to send mail"))),
        };
        let mut ca = None;
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("ca", file) => ca = Some(PathBuf::from(file)),
                ("tls", "none") if is_this_machine(&host) => security = Security::None,
                ("tls", "none") => {
                    return Err(wrong("tls=none is for a mail server on this machine"));
                }
                (other, _) => return Err(wrong(&format!("{other} is no part of it"))),
            }
        }
        let decoded = |text: &str| {
            let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
            decoded.map(String::from).map_err(|_| wrong("its name or password is not UTF-8"))
        };
        let login = match (url.username(), url.password()) {
            ("", _) => None,
            (user, password) => {
                Some((decoded(user)?, SecretString::from(decoded(password.unwrap_or_default())?)))
            }
        };
        Ok(Self { host, port: url.port().unwrap_or(port), security, login, ca })
    }
}

/// Whether a host is this machine: by its address, since any name can begin with `127.`.
fn is_this_machine(host: &str) -> bool {
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            from: "Beispiel GmbH <noreply@example.com>".to_owned(),
            reply_to: Some("help@example.com".to_owned()),
            to: "ada@example.com".to_owned(),
            subject: "Bestätigen Sie Ihre Adresse".to_owned(),
            text: "https://example.com/account/verify?token=AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA"
                .to_owned(),
            html: "<p>ä</p>".to_owned(),
            message_id: "<7@example.com>".to_owned(),
            language: "de".to_owned(),
        }
    }

    #[test]
    fn a_mail_is_plain_text_and_html_with_an_id_of_its_own() {
        let bytes = encode(&message()).unwrap().formatted();
        let text = String::from_utf8(bytes).unwrap();
        for part in [
            "Message-ID: <7@example.com>",
            "Auto-Submitted: auto-generated",
            "Content-Language: de",
            "Reply-To: help@example.com",
            "multipart/alternative",
            "text/plain",
            "text/html",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[tokio::test]
    async fn a_mail_in_a_folder_is_for_its_owner_alone_and_follows_no_link() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let directory = tempfile::tempdir().unwrap();
        let [folder, elsewhere] = ["mails", "elsewhere"].map(|name| directory.path().join(name));
        let mailer = FileMailer::new(&folder).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        std::fs::write(&elsewhere, "of somebody").unwrap();
        symlink(&elsewhere, folder.join(".7@example.com.tmp")).unwrap();
        mailer.send(&message()).await.unwrap();
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "of somebody");
        let mail = folder.join("7@example.com.eml");
        assert_eq!(mode(&mail), 0o600);
        assert!(std::fs::read_to_string(&mail).unwrap().contains("Message-ID"));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_sender_that_cannot_be_read_may_be_mended_and_an_address_may_not() {
        let unreadable = "Example noreply@example.com";
        assert!(is_mailbox("Example <noreply@example.com>") && is_mailbox("noreply@localhost"));
        assert!(!is_mailbox(unreadable) && !is_mailbox("noreply"));
        let from = Message { from: unreadable.to_owned(), ..message() };
        let error = encode(&from).unwrap_err();
        assert!(!error.is_permanent && error.reason.contains(unreadable), "{error}");
        let reply_to = Message { reply_to: Some("help".to_owned()), ..message() };
        assert!(!encode(&reply_to).unwrap_err().is_permanent);
        let to = Message { to: "ada".to_owned(), ..message() };
        assert!(encode(&to).unwrap_err().is_permanent);
    }

    #[test]
    fn an_address_in_quotation_marks_is_one() {
        let to = "\"te@st\"@example.com";
        let encoded = encode(&Message { to: to.to_owned(), ..message() }).unwrap();
        assert_eq!(encoded.envelope().to(), [to.parse().unwrap()]);
        let text = String::from_utf8(encoded.formatted()).unwrap();
        assert!(text.contains(&format!("To: {to}\r\n")), "{text}");
    }

    #[test]
    fn nothing_foreign_begins_a_header() {
        let bad = "ada@example.com\r\nBcc: all@example.com";
        assert!(encode(&Message { to: bad.to_owned(), ..message() }).is_err());
        assert!(
            encode(&Message { to: "a@b.example, c@d.example".to_owned(), ..message() }).is_err()
        );
        let subject = Message { subject: "Hello\r\nBcc: all@example.com".to_owned(), ..message() };
        let text = String::from_utf8(encode(&subject).unwrap().formatted()).unwrap();
        assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
    }

    #[test]
    fn a_url_says_where_to_and_how() {
        let server = Server::read("smtp://us%40er:p%3Ass@mail.example.com").unwrap();
        assert_eq!((server.host.as_str(), server.port), ("mail.example.com", 587));
        assert!(matches!(server.security, Security::StartTls));
        let (user, password) = server.login.unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("us@er", "p:ss"));
        let server = Server::read("smtps://mail.example.com:2465").unwrap();
        assert!(matches!(server.security, Security::Tls) && server.port == 2465);
        for (host, read) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.1.2.3", "127.1.2.3"),
            ("[::1]", "::1"),
            ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
            ("localhost", "localhost"),
        ] {
            let server = Server::read(&format!("smtp://{host}:1025?tls=none")).unwrap();
            assert_eq!((server.host.as_str(), server.port), (read, 1025));
            assert!(matches!(server.security, Security::None));
        }
        let server = Server::read("smtps://[2001:db8::25]").unwrap();
        assert_eq!((server.host.as_str(), server.port), ("2001:db8::25", 465));
        for bad in [
            "",
            "mail",
            "http://a",
            "smtp://",
            "smtp://a?x=1",
            "smtp://mail.example.com?tls=none",
            "smtp://127.example.com?tls=none",
            "smtp://127.0.0.1.example.com?tls=none",
            "smtp://[2001:db8::25]?tls=none",
        ] {
            assert!(Server::read(bad).is_err(), "{bad}");
        }
    }
}
