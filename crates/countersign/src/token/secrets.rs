use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox};

use crate::clock::{Random, random_bytes};

/// The keys that never leave the server, each derived for one purpose from one secret (HKDF-SHA256,
/// RFC 5869).
///
/// Refresh tokens, CSRF tokens, device cookies, codes and whatever is sealed never share a key, so
/// that none can be passed off as another.
///
/// ```
/// use countersign::token::Secrets;
///
/// let secrets = Secrets::from_text("0123456789abcdef0123456789abcdef").unwrap();
/// assert_eq!(format!("{secrets:?}"), "Secrets(..)");
/// ```
pub struct Secrets {
    refresh: Key,
    csrf: Key,
    device: Key,
    attempts: Key,
    codes: Key,
    sealing: Key,
    #[cfg(feature = "axum")]
    outbox: Key,
    #[cfg(feature = "axum")]
    pending: Key,
    #[cfg(feature = "axum")]
    recovery: Key,
    #[cfg(feature = "axum")]
    factors: Key,
    #[cfg(feature = "axum")]
    device_ticket: Key,
    #[cfg(feature = "axum")]
    device_challenge: Key,
    #[cfg(feature = "axum")]
    handles: Key,
    #[cfg(feature = "passkeys")]
    challenges: Key,
    #[cfg(feature = "axum")]
    ticket: Key,
    #[cfg(feature = "axum")]
    cookies: Key,
}

type Key = SecretBox<[u8; 32]>;

impl Secrets {
    /// Derives the keys from a configured secret.
    ///
    /// # Errors
    /// [`SecretsError::TooShort`] for fewer than 32 characters.
    ///
    /// ```
    /// use countersign::token::Secrets;
    ///
    /// assert!(Secrets::from_text("0123456789abcdef0123456789abcdef").is_ok());
    /// assert!(Secrets::from_text("hunter2").is_err());
    /// ```
    pub fn from_text(text: &str) -> Result<Self, SecretsError> {
        let text = text.trim();
        if text.chars().count() < MIN_CHARS {
            return Err(SecretsError::TooShort);
        }
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"countersign").extract(text.as_bytes());
        let derive = |purpose: &'static [u8]| {
            let mut key = Zeroizing::new([0; 32]);
            // HKDF gives up to 255 times 32 bytes; 32 are always to be had.
            prk.expand(&[purpose], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(&mut *key))
                .expect("32 bytes of HKDF-SHA256");
            Key::new(Box::new(*key))
        };
        Ok(Self {
            refresh: derive(b"refresh token v1"),
            csrf: derive(b"csrf token v1"),
            device: derive(b"device cookie v1"),
            attempts: derive(b"login attempts v1"),
            codes: derive(b"one-time codes v1"),
            sealing: derive(b"signing key sealing v1"),
            #[cfg(feature = "axum")]
            outbox: derive(b"outbox sealing v1"),
            #[cfg(feature = "axum")]
            pending: derive(b"pending login v1"),
            #[cfg(feature = "axum")]
            recovery: derive(b"recovery codes v1"),
            #[cfg(feature = "axum")]
            factors: derive(b"factor sealing v1"),
            #[cfg(feature = "axum")]
            device_ticket: derive(b"device ticket v1"),
            #[cfg(feature = "axum")]
            device_challenge: derive(b"device challenge v1"),
            #[cfg(feature = "axum")]
            handles: derive(b"passkey handles v1"),
            #[cfg(feature = "passkeys")]
            challenges: derive(b"passkey challenges v1"),
            #[cfg(feature = "axum")]
            ticket: derive(b"ticket v1"),
            #[cfg(feature = "axum")]
            cookies: derive(b"cookie sealing v1"),
        })
    }

    /// Reads the secret from the file `path`, or makes the file (mode 0600) with 256 fresh random
    /// bits.
    ///
    /// # Errors
    /// [`SecretsError::File`] when the file can be neither read nor made,
    /// [`SecretsError::Readable`] when others may read it. Its group may, with a warning, where
    /// nobody else can enter the directory: a volume of Kubernetes with `fsGroup` leaves no choice.
    ///
    /// ```
    /// use countersign::clock::OsRandom;
    /// use countersign::token::Secrets;
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// let path = directory.path().join("secret");
    /// Secrets::load_or_create(&path, &OsRandom).unwrap(); // made
    /// Secrets::load_or_create(&path, &OsRandom).unwrap(); // read
    /// assert_eq!(std::fs::read_to_string(&path).unwrap().trim().len(), 43);
    /// ```
    pub fn load_or_create(path: &Path, random: &dyn Random) -> Result<Self, SecretsError> {
        let file = |error: io::Error| SecretsError::File {
            path: path.display().to_string(),
            error: error.to_string(),
        };
        match std::fs::metadata(path) {
            Ok(metadata) => match metadata.permissions().mode() & 0o777 {
                mode if mode & 0o077 == 0 => {}
                // A volume gives its group to every file in it, as Kubernetes does for `fsGroup`,
                // and no `chmod` lasts.
                mode if mode & 0o007 == 0 && keeps_others_out(path) => {
                    tracing::warn!(path = %path.display(), mode = format!("{mode:04o}"), "the \
                        secret's file is open to its group; nobody else can enter its directory");
                }
                _ => return Err(SecretsError::Readable { path: path.display().to_string() }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => match create(path, random) {
                // Another process that starts now was first; its secret is ours too.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(file(error));
                }
                _ => {}
            },
            Err(error) => return Err(file(error)),
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(file)?);
        Self::from_text(&text)
    }

    pub(crate) fn refresh(&self) -> &[u8] {
        self.refresh.expose_secret()
    }

    pub(crate) fn csrf(&self) -> &[u8] {
        self.csrf.expose_secret()
    }

    pub(crate) fn device(&self) -> &[u8] {
        self.device.expose_secret()
    }

    pub(crate) fn attempts(&self) -> &[u8] {
        self.attempts.expose_secret()
    }

    pub(crate) fn codes(&self) -> &[u8] {
        self.codes.expose_secret()
    }

    pub(crate) fn sealing(&self) -> &[u8] {
        self.sealing.expose_secret()
    }

    #[cfg(feature = "axum")]
    pub(crate) fn outbox(&self) -> &[u8] {
        self.outbox.expose_secret()
    }

    #[cfg(feature = "axum")]
    pub(crate) fn pending(&self) -> &[u8] {
        self.pending.expose_secret()
    }

    #[cfg(feature = "axum")]
    pub(crate) fn recovery(&self) -> &[u8] {
        self.recovery.expose_secret()
    }

    #[cfg(feature = "axum")]
    pub(crate) fn factors(&self) -> &[u8] {
        self.factors.expose_secret()
    }

    #[cfg(feature = "axum")]
    pub(crate) fn ticket(&self) -> &[u8] {
        self.ticket.expose_secret()
    }

    #[cfg(feature = "axum")]
    pub(crate) fn cookies(&self) -> &[u8] {
        self.cookies.expose_secret()
    }

    #[cfg(feature = "axum")]
    pub(crate) fn device_ticket(&self) -> &[u8] {
        self.device_ticket.expose_secret()
    }

    #[cfg(feature = "axum")]
    pub(crate) fn device_challenge(&self) -> &[u8] {
        self.device_challenge.expose_secret()
    }

    #[cfg(feature = "axum")]
    pub(crate) fn handles(&self) -> &[u8] {
        self.handles.expose_secret()
    }

    #[cfg(feature = "passkeys")]
    pub(crate) fn challenges(&self) -> &[u8] {
        self.challenges.expose_secret()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

/// Why there are no keys.
///
/// ```
/// use countersign::token::{Secrets, SecretsError};
///
/// assert_eq!(Secrets::from_text("hunter2").unwrap_err(), SecretsError::TooShort);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// Too easy to guess.
    #[error(
        "the secret has fewer than {MIN_CHARS} characters; make one with `openssl rand -base64 32`"
    )]
    TooShort,
    /// Others may read the file.
    #[error(
        "{path} can be read by others; run `chmod 600 {path}`, and think of whether anybody did. \
         Where a volume sets the mode, as with fsGroup of Kubernetes, give the secret in \
         COUNTERSIGN_SECRET, or run `chmod 770` on the directory"
    )]
    Readable {
        /// The file.
        path: String,
    },
    /// The file can be neither read nor made.
    #[error("cannot use the secret in {path}: {error}")]
    File {
        /// The file.
        path: String,
        /// What the operating system says.
        error: String,
    },
}

/// Whether only the owner and the group of a file's directory can enter it.
fn keeps_others_out(path: &Path) -> bool {
    let directory =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::metadata(directory).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 == 0)
}

/// Written whole under another name and then linked, so that no process ever reads half a secret.
fn create(path: &Path, random: &dyn Random) -> io::Result<()> {
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*Zeroizing::new(random_bytes::<32>(random))));
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let written = (|| {
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        writeln!(file, "{}", text.as_str())?;
        file.sync_all()?;
        std::fs::hard_link(&draft, path)
    })();
    // Where it could not be made, that is what is to be told, not that it cannot be removed.
    let _ = std::fs::remove_file(&draft);
    written
}

const MIN_CHARS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsRandom;

    #[test]
    fn no_two_purposes_share_a_key() {
        let secrets = Secrets::from_text(&"x".repeat(32)).unwrap();
        let keys = [
            secrets.refresh(),
            secrets.csrf(),
            secrets.device(),
            secrets.attempts(),
            secrets.codes(),
            secrets.sealing(),
            #[cfg(feature = "axum")]
            secrets.device_ticket(),
            #[cfg(feature = "axum")]
            secrets.device_challenge(),
            #[cfg(feature = "axum")]
            secrets.outbox(),
            #[cfg(feature = "axum")]
            secrets.pending(),
            #[cfg(feature = "axum")]
            secrets.recovery(),
            #[cfg(feature = "axum")]
            secrets.factors(),
            #[cfg(feature = "axum")]
            secrets.ticket(),
            #[cfg(feature = "axum")]
            secrets.handles(),
            #[cfg(feature = "passkeys")]
            secrets.challenges(),
        ];
        for (i, key) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|other| other != key));
        }
    }

    #[test]
    fn the_file_is_made_once_for_its_owner_alone_and_gives_the_same_keys_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let first = Secrets::load_or_create(&path, &OsRandom).unwrap();
        let again = Secrets::load_or_create(&path, &OsRandom).unwrap();
        assert_eq!(first.refresh(), again.refresh());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_made_is_told_by_what_hinders_it() {
        // Nobody makes files there, root neither.
        let path = Path::new("/sys/secret");
        let error = Secrets::load_or_create(path, &OsRandom).unwrap_err();
        let SecretsError::File { error, .. } = error else { panic!("{error}") };
        assert_eq!(error, std::fs::File::create(path).unwrap_err().to_string());
        assert!(!error.contains("No such file"), "{error}");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let first = Secrets::load_or_create(&path, &OsRandom).unwrap();
        for (of_directory, of_file, is_taken) in [
            (0o700, 0o660, true),
            (0o2770, 0o640, true),
            (0o755, 0o660, false),
            (0o771, 0o660, false),
            (0o700, 0o664, false),
            (0o700, 0o604, false),
            (0o755, 0o600, true),
        ] {
            set(directory.path(), of_directory);
            set(&path, of_file);
            let read = Secrets::load_or_create(&path, &OsRandom);
            assert_eq!(
                read.as_ref().is_ok_and(|read| read.refresh() == first.refresh()),
                is_taken,
                "{of_directory:o} {of_file:o}"
            );
            if let Err(error) = read {
                assert!(matches!(error, SecretsError::Readable { .. }));
                assert!(error.to_string().contains("COUNTERSIGN_SECRET"), "{error}");
            }
        }
    }
}
