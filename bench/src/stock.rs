//! Data directories with as many users and sessions as are wanted, and tokens for them.

use std::path::PathBuf;
use std::process::Command;

use countersign::password::{HashSettings, Password, Passwords};
use countersign_e2e::Cluster;
use countersign_verify::{Claims, SessionId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use tempfile::TempDir;

use crate::server::{Hash, Server, countersign};

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A data directory.
pub(crate) struct Stock {
    directory: TempDir,
    users: u64,
}

impl Stock {
    /// One with so many users `user1`, `user2` …, and a live session for each.
    pub(crate) fn of(users: u64, hash: Hash) -> Self {
        let stock = Self { directory: tempfile::tempdir().expect("a temporary directory"), users };
        run(countersign(&stock.data()).arg("migrate"));
        let mut settings = HashSettings::default();
        if let Hash::Cheap = hash {
            settings.memory_kib = 64;
            settings.passes = 1;
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let password = Password::parse(PASSWORD.to_owned()).expect("a password");
        let encoded = runtime
            .block_on(Passwords::new(settings).expect("threads").hash(&password))
            .expect("a hash");

        let mut database = rusqlite::Connection::open(stock.data().join("countersign.sqlite3"))
            .expect("the database");
        let transaction = database.transaction().expect("a transaction");
        let numbers =
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";
        transaction
            .execute(
                &format!(
                    "{numbers} INSERT INTO users (username, username_folded, email, password,
                     date_joined)
                     SELECT 'user' || i, 'user' || i, 'user' || i || '@example.com', ?2,
                     '2026-01-01 00:00:00.000000' FROM n"
                ),
                rusqlite::params![users, encoded.as_str()],
            )
            .expect("users");
        transaction
            .execute(
                &format!(
                    "{numbers} INSERT INTO sessions (id, user_id, generation, current_jti,
                     current_iat, current_since, race_credit, created_at,
                         last_used_at, expires_at, transport)
                     SELECT ((unixepoch() - (?1 - i) * 2592000 / ?1) << 32) | (abs(random()) >> 31),
                     i, 0, randomblob(16), unixepoch(), unixepoch(), 25, unixepoch() * 1000000,
                     unixepoch() * 1000000,
                         (unixepoch() + 2592000) * 1000000, 'cookie' FROM n"
                ),
                [users],
            )
            .expect("sessions");
        transaction.commit().expect("a commit");
        drop(database);
        // The first start makes the signing key.
        drop(Server::countersign(&stock.data(), hash));
        stock
    }

    /// The same users and sessions, moved into a new database of a cluster: its URL. What is here
    /// stays.
    pub(crate) fn moved_to(&self, cluster: &Cluster) -> String {
        let url = cluster.database();
        let file = format!("sqlite:{}", self.data().join("countersign.sqlite3").display());
        run(countersign(&self.data()).args(["move", "--from", &file, "--to", &url]));
        url
    }

    /// Where it is.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A file beside it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// So many names, spread evenly over the users, and never twice for `shift`s below the spread.
    pub(crate) fn names(&self, count: u64, shift: u64) -> Vec<String> {
        let step = (self.users / count).max(1);
        (0..count).map(|i| format!("user{}", (i * step + shift) % self.users + 1)).collect()
    }

    /// Access tokens of so many users, signed with the store's own key.
    pub(crate) fn access_tokens(&self, count: u64, issuer: &str) -> Vec<String> {
        let listed = run(countersign(&self.data()).args(["keys", "list", "--json"]));
        let keys: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
        let kid = keys[0]["kid"].as_str().expect("a key").to_owned();
        let pem = run(countersign(&self.data()).args(["keys", "export", &kid, "--private"]));
        let key = EncodingKey::from_ed_pem(pem.as_bytes()).expect("an Ed25519 key");
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(kid);
        let now = jiff::Timestamp::now().as_second().unsigned_abs();
        let step = (self.users / count).max(1);
        (0..count)
            .map(|i| {
                let session = SessionId::new(i + 1).expect("not zero");
                let user = (i * step) % self.users + 1;
                let mut claims =
                    Claims::new(issuer.to_owned(), user.to_string(), session, now, now, now + 300);
                claims.csrf = Some(countersign_verify::csrf::claim(b"a CSRF token"));
                jsonwebtoken::encode(&header, &claims, &key).expect("a token")
            })
            .collect()
    }
}

/// The issuer of a server on a free port: its public URL.
pub(crate) fn issuer(server: &Server) -> String {
    format!("http://localhost:{}", server.address.port())
}

/// What a command says, which does what it is asked.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().expect("the binary: scripts/bench builds it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
