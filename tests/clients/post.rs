//! A real mail server, and a server that sends to it.

use std::path::Path;
use std::process::Command;

use countersign_e2e::{TestServer, TestServerBuilder, eventually, python};
use serde_json::{Value, json};

/// A mail server and a server that sends to it.
pub(crate) struct Post {
    pub(crate) world: TestServer,
    /// Where the certificate and the mail server's log are.
    place: tempfile::TempDir,
    port: u16,
}

impl Post {
    /// A server that knows of a mail server, which does not run yet.
    pub(crate) fn new() -> Self {
        Self::with(|server| server)
    }

    /// The same with more settings.
    pub(crate) fn with(set: impl FnOnce(TestServerBuilder) -> TestServerBuilder) -> Self {
        let place = tempfile::tempdir().unwrap();
        let names = vec!["localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let certificate = place.path().join("certificate.pem");
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(place.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let url =
            format!("smtp://mailer:p%40ss%20word@localhost:{port}?ca={}", certificate.display());
        let server = TestServer::builder()
            .set("mail_url", &url)
            .set("mail_from", "Example <noreply@example.com>")
            .virtual_time();
        let world = set(server).start();
        Self { world, place, port }
    }

    /// The mail server begins.
    pub(crate) fn open(&self) -> MailServer {
        self.open_as(&[])
    }

    /// The same with a fault: see its script.
    pub(crate) fn open_as(&self, fault: &[&str]) -> MailServer {
        let port = self.port.to_string();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/smtp_server.py");
        let log = self.place.path().join("mails");
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let before = text.lines().filter(|line| *line == "ready").count();
        let out = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let process = Command::new(python())
            .arg(script)
            .args([self.place.path().join("certificate.pem"), self.place.path().join("key.pem")])
            .arg(port)
            .args(fault)
            .stdout(out)
            .spawn()
            .unwrap();
        let server = MailServer { process, log };
        eventually("the mail server is ready", || {
            server.lines().filter(|line| line == "ready").count() > before
        });
        server
    }

    pub(crate) fn ask_for_reset(&self, name: &str) {
        self.world
            .request("POST", "/accounts/password/reset")
            .json(&json!({"username": name}))
            .send()
            .expect(202);
    }
}

pub(crate) struct MailServer {
    process: std::process::Child,
    log: std::path::PathBuf,
}

impl MailServer {
    fn lines(&self) -> impl Iterator<Item = String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    pub(crate) fn mails(&self) -> Vec<Value> {
        self.lines().filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }

    /// The `Message-ID` of each mail that came, in their order.
    pub(crate) fn ids(&self) -> Vec<String> {
        let mails = self.mails();
        let texts = mails.iter().filter_map(|mail| mail["text"].as_str());
        let id = |text: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix("Message-ID: "));
            line.expect("an id").trim().to_owned()
        };
        texts.map(id).collect()
    }

    /// Whether a mail has come to one that waits.
    pub(crate) fn has_begun(&self) -> bool {
        self.lines().any(|line| line == "begun")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
