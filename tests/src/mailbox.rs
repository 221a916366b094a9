//! Mails that a server wrote into a folder, and what a person finds in them.

use std::path::PathBuf;
use std::sync::Mutex;

use tempfile::TempDir;

use crate::commands::eventually;

/// A folder that a server sends its mails into: give [`url`](Self::url) to `mail_url`.
#[derive(Debug)]
pub struct Mailbox {
    folder: TempDir,
    /// The files, in the order in which they were seen: the time that a file bears is too coarse to
    /// tell two of one moment apart.
    seen: Mutex<Vec<PathBuf>>,
}

/// A mail, as it lies in the folder.
#[derive(Debug, Clone)]
pub struct ReadMail {
    /// All of it, without the line breaks that travel alone.
    pub whole: String,
}

impl Mailbox {
    /// An empty one.
    ///
    /// # Panics
    /// When there is no temporary directory to be had.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        Self { folder, seen: Mutex::default() }
    }

    /// What `mail_url` is set to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("file:{}", self.folder.path().display())
    }

    /// The mails to an address that are there by now, the last one last. What the server has sent
    /// comes in its own time: wait for it.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn to(&self, address: &str) -> Vec<ReadMail> {
        let mut found: Vec<(std::time::SystemTime, PathBuf)> =
            std::fs::read_dir(self.folder.path())
                .into_iter()
                .flatten()
                .filter_map(Result::ok)
                .filter(|entry| entry.file_name().to_string_lossy().ends_with(".eml"))
                .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
                .collect();
        found.sort();
        let mut seen = self.seen.lock().expect("what was seen");
        for (_, path) in found {
            if !seen.contains(&path) {
                seen.push(path);
            }
        }
        let to = format!("To: {address}\r\n");
        seen.iter()
            .filter_map(|path| std::fs::read_to_string(path).ok())
            .filter(|whole| whole.contains(&to))
            // Quoted-printable (RFC 2045, 6.7), as far as links need it.
            .map(|whole| ReadMail { whole: whole.replace("=\r\n", "").replace("=3D", "=") })
            .collect()
    }

    /// Waits for a mail to an address with this subject: the last one that has it.
    ///
    /// # Panics
    /// When none comes.
    pub fn wait_with(&self, address: &str, subject: &str) -> ReadMail {
        let found = || self.to(address).into_iter().rfind(|mail| mail.subject() == subject);
        eventually(&format!("there is {subject:?} to {address}"), || found().is_some());
        found().expect("a mail")
    }

    /// Waits until so many mails to an address are there: the last of them.
    ///
    /// # Panics
    /// When they do not come.
    pub fn wait_for(&self, address: &str, many: usize) -> ReadMail {
        eventually(&format!("{many} mails to {address}"), || self.to(address).len() >= many);
        self.to(address).pop().expect("a mail")
    }
}

impl ReadMail {
    /// The token of its link.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn token(&self) -> String {
        let (_, rest) = self.whole.split_once("token=").expect("a link");
        rest.chars().take(34).collect()
    }

    /// Its code.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn code(&self) -> String {
        let is_code = |line: &str| {
            line.len() == 11 && line[2..].split(' ').all(|part| part.parse::<u32>().is_ok())
        };
        let line = self.whole.lines().find(|line| line.starts_with("  ") && is_code(line));
        line.expect("a code").trim().to_owned()
    }

    /// Its subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.whole.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default()
    }
}
