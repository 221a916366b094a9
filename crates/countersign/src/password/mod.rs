//! Passwords: hashed, checked at one price for all, and judged when they are new.
//!
//! New passwords are hashed with argon2id and stored in the encoding of Django's
//! `Argon2PasswordHasher`. Every encoding that Django writes (`argon2`, `pbkdf2_sha256`,
//! `pbkdf2_sha1`, `bcrypt_sha256`, `bcrypt`, `scrypt`) is verified, and so are the PHC strings of
//! Rust's crates and bcrypt's own; the caller is told when a right password should be hashed anew.
//! The work is done by a [`Passwords`], which owns its threads.
//!
//! Start reading here, then: `secret` (the texts), `algorithm` (the hash functions and their
//! bounds), `cost` (one price), `pool` and `priority` (the threads), `validators` (what a new
//! password must not be).
//!
//! ```
//! use countersign::password::{UserAttributes, validate};
//!
//! let about = UserAttributes { username: "ada", ..UserAttributes::default() };
//! let problems = validate("12345", &about).unwrap_err();
//! let codes: Vec<&str> = problems.iter().map(|problem| problem.code()).collect();
//! assert_eq!(codes, ["password_too_short", "password_too_common", "password_entirely_numeric"]);
//! ```

mod algorithm;
mod breached;
mod common;
mod cost;
mod digits;
mod gone;
mod judge;
mod pool;
mod priority;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod validators;

use std::{fmt, sync::Arc};

use secrecy::{ExposeSecret, SecretString};

#[cfg(feature = "axum")]
pub(crate) use self::gone::Gone;
pub(crate) use self::priority::Lane;
use self::{
    algorithm::{Kind, ParsedHash, Scratch, argon2, work_until},
    cost::{Costs, Rest},
    pool::Pool,
};
pub use self::{
    breached::{BreachedError, BreachedPasswords, BreachedWriter, Sha1},
    judge::{BreachedList, Judge},
    secret::{EncodedPassword, Password, PasswordError},
    settings::{HashSettings, HashSettingsError},
    validators::{PasswordProblem, UserAttributes, validate},
};

/// Hashes and checks passwords on threads of its own. Cheap to clone; when the last clone is
/// dropped, the threads finish what they have begun and end.
///
/// ```
/// # use countersign::password::{HashSettings, Password, Passwords};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let passwords = Passwords::new(HashSettings::default())?;
/// let password = Password::parse("tin kettle 14".to_owned())?;
/// let stored = passwords.hash(&password).await?;
/// assert!(stored.as_str().starts_with("argon2$argon2id$v=19$m=19456,t=2,p=1$"));
/// assert!(passwords.verify(Some(&stored), &password).await?.matches);
/// assert!(!passwords.verify(None, &password).await?.matches);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Passwords {
    preferred: argon2::Kind,
    costs: Arc<Costs>,
    pool: Arc<Pool>,
}

impl Passwords {
    /// Checks the settings and starts the threads.
    ///
    /// # Errors
    /// [`HashSettingsError`], with a sentence that says what to set.
    ///
    /// ```
    /// use countersign::password::{HashSettings, Passwords};
    ///
    /// let mut settings = HashSettings::default();
    /// settings.threads = 0;
    /// assert_eq!(
    ///     Passwords::new(settings).unwrap_err().to_string(),
    ///     "hash_threads is 0; set it to the number of cores, between 1 and 256"
    /// );
    /// ```
    pub fn new(settings: HashSettings) -> Result<Self, HashSettingsError> {
        settings.validate()?;
        let HashSettings { threads, queue, memory_kib, passes, lanes } = settings;
        let preferred =
            settings.kind().ok_or(HashSettingsError::Argon2 { memory_kib, passes, lanes })?;
        if settings.is_weak() {
            tracing::warn!(
                memory_kib,
                passes,
                "new passwords are hashed more weakly than OWASP advises; set at least 19456 KiB \
                 and 2 passes"
            );
        }
        let pool = Pool::start(threads, queue).map_err(HashSettingsError::Spawn)?;
        Ok(Self {
            preferred,
            costs: Arc::new(Costs::new(Kind::Argon2(preferred))),
            pool: Arc::new(pool),
        })
    }

    /// Hashes a new password, in its composed form (NFC), with argon2id and a fresh salt, on the
    /// threads that are kept for who is known: for who changes their password while logged in. A
    /// sign-up, which anybody may send, takes [`hash_of_stranger`](Self::hash_of_stranger).
    ///
    /// # Errors
    /// [`HashError::Busy`] when the queue is full, [`HashError::Closed`] when hashing failed.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::password::{HashSettings, Password, Passwords};
    ///
    /// # world::block_on(async {
    /// let passwords = Passwords::new(HashSettings::default()).unwrap();
    /// let password = Password::parse("tin kettle 14".to_owned()).unwrap();
    /// let (one, other) =
    ///     (passwords.hash(&password).await.unwrap(), passwords.hash(&password).await.unwrap());
    /// assert_ne!(one.as_str(), other.as_str()); // each has a salt of its own
    /// # });
    /// ```
    pub async fn hash(&self, new: &Password) -> Result<EncodedPassword, HashError> {
        self.hash_in(Lane::Known, new).await
    }

    /// The same for somebody whom nobody knows, such as who signs up: on the threads that check
    /// everybody's guesses. A flood of sign-ups then takes nothing from who changes their password
    /// or logs in on a device of theirs.
    ///
    /// # Errors
    /// As [`hash`](Self::hash).
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::password::{HashError, HashSettings, Password, Passwords};
    ///
    /// /// A sign-up: the column `password` of the new row.
    /// async fn of_new_row(hashes: &Passwords, typed: Password) -> Result<String, HashError> {
    ///     Ok(hashes.hash_of_stranger(&typed).await?.as_str().to_owned())
    /// }
    /// # world::block_on(async {
    /// # let passwords = Passwords::new(HashSettings::default()).unwrap();
    /// # let typed = Password::parse("tin kettle 14".to_owned()).unwrap();
    /// # assert!(of_new_row(&passwords, typed).await.unwrap().starts_with("argon2$"));
    /// # });
    /// ```
    pub async fn hash_of_stranger(&self, new: &Password) -> Result<EncodedPassword, HashError> {
        self.hash_in(Lane::Guesses, new).await
    }

    async fn hash_in(&self, lane: Lane, new: &Password) -> Result<EncodedPassword, HashError> {
        let (kind, text) = (self.preferred, new.composed());
        let line = self.pool.run(lane, move |scratch| {
            // 22 letters and digits are the 128 bits that Django asks of a salt; it would rehash a
            // shorter one.
            kind.encode(
                text.expose_secret().as_bytes(),
                &secret::random_text(SALT_LETTERS),
                scratch,
            )
        });
        line.await?.map(EncodedPassword::from_stored).ok_or(HashError::Closed)
    }

    /// Compares a password with what the store has, or with nothing when there is no such user.
    ///
    /// Every answer of *no* costs the same, that of the costliest kind of hash that is live,
    /// whatever the reason: no row, a row that no password matches, a row that makes no sense or is
    /// too costly (those two are logged, without the row), a wrong password. So for **an inactive
    /// user pass `None`**: their right password must not be told from a wrong one. An answer of
    /// *yes* is not made up.
    ///
    /// # Errors
    /// [`HashError::Busy`] when the queue is full, [`HashError::Closed`] when checking failed.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::password::{EncodedPassword, HashSettings, Password, Passwords};
    ///
    /// # world::block_on(async {
    /// let passwords = Passwords::new(HashSettings::default()).unwrap();
    /// // A row that Django wrote.
    /// let stored = "pbkdf2_sha256$1$salt$qDiTyufiIKGsYFSpLYMY0b+YdsC/5w2e/psNOPGGMvg=";
    /// let stored = EncodedPassword::from_stored(stored.to_owned());
    /// let given = Password::parse("tin kettle 14".to_owned()).unwrap();
    /// let verdict = passwords.verify(Some(&stored), &given).await.unwrap();
    /// assert!(verdict.matches && verdict.outdated); // hash it anew, and store that
    /// # });
    /// ```
    pub async fn verify(
        &self,
        stored: Option<&EncodedPassword>,
        given: &Password,
    ) -> Result<Verdict, HashError> {
        self.verify_in(Lane::Guesses, stored, given).await
    }

    /// The same, for one who may be known.
    pub(crate) async fn verify_in(
        &self,
        lane: Lane,
        stored: Option<&EncodedPassword>,
        given: &Password,
    ) -> Result<Verdict, HashError> {
        let (preferred, costs) = (Kind::Argon2(self.preferred), Arc::clone(&self.costs));
        let (row, forms) = (stored.and_then(readable), given.forms());
        self.pool
            .run(lane, move |scratch| check(row.as_ref(), &forms, preferred, &costs, scratch))
            .await
    }

    /// Tells which kinds of hash the store holds, so that a check of nobody costs what a check of
    /// any of them costs: the part of an encoded password before its salt, such as
    /// `pbkdf2_sha256$870000`; more of the line does no harm. Replaces what was noted before.
    ///
    /// Call it at the start and now and then. A kind that is met in a row is noted by itself.
    /// Unknown kinds and kinds out of bounds are left out: they are never hashed with. Where there
    /// are several, one hash of each that is new is made in the background, to know how long it
    /// takes here.
    ///
    /// ```
    /// use countersign::password::{HashSettings, Passwords};
    ///
    /// let passwords = Passwords::new(HashSettings::default()).unwrap();
    /// // A check of nobody costs as much from now on.
    /// passwords.note_kinds(&["pbkdf2_sha256$870000".to_owned()]);
    /// ```
    pub fn note_kinds(&self, kinds: &[String]) {
        self.costs.set_live(kinds.iter().filter_map(|prefix| Kind::parse(prefix).ok()));
        for kind in self.costs.unmeasured() {
            let costs = Arc::clone(&self.costs);
            let measured = self.pool.submit(Lane::Guesses, move |scratch| {
                let begin = scratch.spent();
                std::hint::black_box(
                    ParsedHash::decoy(kind).matches(b"nobody's password", scratch),
                );
                costs.note(&kind, scratch.spent().saturating_sub(begin));
            });
            if measured.is_err() {
                // The next time tells.
                return;
            }
        }
    }

    /// How many hashes and checks wait for a thread.
    ///
    /// ```
    /// use countersign::password::{HashSettings, Passwords};
    ///
    /// assert_eq!(Passwords::new(HashSettings::default()).unwrap().queue_len(), 0);
    /// ```
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.pool.queued()
    }

    /// How many threads are hashing now.
    ///
    /// ```
    /// use countersign::password::{HashSettings, Passwords};
    ///
    /// assert_eq!(Passwords::new(HashSettings::default()).unwrap().working(), 0);
    /// ```
    #[must_use]
    pub fn working(&self) -> usize {
        self.pool.working()
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("preferred", &self.preferred)
            .field("queue_len", &self.queue_len())
            .finish_non_exhaustive()
    }
}

/// What came of comparing a password with the store.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::password::{HashSettings, Password, Passwords};
///
/// # world::block_on(async {
/// let passwords = Passwords::new(HashSettings::default()).unwrap();
/// let given = Password::parse("tin kettle 14".to_owned()).unwrap();
/// let verdict = passwords.verify(None, &given).await.unwrap();
/// assert!(!verdict.matches && !verdict.outdated);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Verdict {
    /// It is the right password.
    pub matches: bool,
    /// It is the right password, but what is stored was not made as a new hash would be: hash it
    /// anew and store that. False whenever `matches` is.
    pub outdated: bool,
}

/// Why a password was neither hashed nor compared.
///
/// ```
/// use countersign::http::{Code, Problem};
/// use countersign::password::HashError;
///
/// assert_eq!(Problem::from(HashError::Busy).code(), Code::Unavailable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// The queue of the hashing threads is full.
    #[error("too many passwords are being checked at this moment; try again in a second")]
    Busy,
    /// The hashing threads have ended, or failed in the middle of the work.
    #[error("the password could not be processed; try again")]
    Closed,
}

/// The stored line taken apart, or nothing if no password can match it.
fn readable(stored: &EncodedPassword) -> Option<ParsedHash> {
    if !stored.is_usable() {
        return None;
    }
    ParsedHash::parse(stored.as_str())
        .inspect_err(|reason| {
            tracing::warn!(%reason, "a stored password hash cannot be checked, so its \
                user cannot log in: set a new password");
        })
        .ok()
}

/// The kind of an encoded password that can be checked, as [`Passwords::note_kinds`] takes it;
/// nothing for one that no password matches.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn live_kind(encoded: &str) -> Option<String> {
    ParsedHash::parse(encoded).ok().and_then(|_| Kind::prefix(encoded))
}

/// Tries each form of the text; each that does not match costs the same, whatever the row.
fn check(
    row: Option<&ParsedHash>,
    forms: &[SecretString],
    preferred: Kind,
    costs: &Costs,
    scratch: &mut Scratch,
) -> Verdict {
    for (tried, form) in forms.iter().enumerate() {
        let text = form.expose_secret().as_bytes();
        let decoy = ParsedHash::decoy(costs.plan(row.map(|row| row.kind)).decoy);
        let hashed = row.unwrap_or(&decoy);
        let begin = scratch.spent();
        let matches = hashed.matches(text, scratch);
        costs.note(&hashed.kind, scratch.spent().saturating_sub(begin));
        if let (Some(row), true) = (row, matches) {
            // Matching only as given means that the hash was made of a form that is no longer
            // hashed.
            let outdated = row.kind != preferred || !row.is_as_new() || tried > 0;
            return Verdict { matches: true, outdated };
        }
        match costs.plan(row.map(|row| row.kind)).rest {
            Rest::MakeUp(top) => hashed.kind.make_up(&top, scratch),
            Rest::WorkUntil(price) => work_until(begin + price, scratch),
        }
    }
    Verdict { matches: false, outdated: false }
}

const SALT_LETTERS: usize = 22;
