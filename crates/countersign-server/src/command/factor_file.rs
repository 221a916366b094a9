//! `countersign factor export` and `import`: second factors on their way to another installation.
//!
//! A line of JSON for each user, behind a first one that says under which secret the factors are
//! sealed, and before a last one that says how many users there are: a file that was cut off is
//! told from a whole one. Factors stay sealed on the way: the file alone is no second factor.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueHint};
use countersign::clock::Random;
use countersign::factor::{FactorId, FactorKeys};
use countersign::session::DeviceName;
use countersign::sign_in::FactorKind;
use countersign::store::admin::{ImportFactors, UserSearch};
use countersign::store::{NewRecoveryCode, StoredFactor, UserFactors};
use countersign::token::{SecretHash, Secrets};
use countersign::user::{User, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::output::{line, note, shown, text};
use crate::command_error::CommandError;
use crate::operate::Operator;
use crate::services::Services;
use crate::text::counted;

/// Print the second factors of all users, for `factor import`
///
/// Codes of apps and passkeys are sealed under the secret of this installation, and are of no use
/// without it. Recovery codes are hashed under it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign factor export > factors.jsonl")]
pub(super) struct ExportFactors {}

/// Add the second factors that `factor export` has printed to the users of the same names
///
/// Run twice, it adds what is not there yet. Recovery codes come along where both installations
/// have the same secret and the user has the same id; nobody can read them anew otherwise, and
/// their users make new ones.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign factor import factors.jsonl\n  countersign factor \
        import factors.jsonl --secret-file old/secret"
)]
pub(super) struct ImportFile {
    /// The file
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// The file with the secret of the installation that the factors come from, where it is
    /// another
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    secret_file: Option<PathBuf>,
}

impl ExportFactors {
    pub(super) async fn run(self, services: &Services) -> Result<(), CommandError> {
        let keys = FactorKeys::new(&services.secrets().await?)?;
        let head = Head { countersign_factors: FORMAT, sealed_under: keys.mark().to_owned() };
        text(&format!("{}\n", serde_json::to_string(&head)?));
        let mut users = 0;
        let mut search =
            UserSearch { second_factor: Some(true), limit: USERS, ..UserSearch::default() };
        loop {
            let page = services.store.find_users(&search).await?;
            let mut lines = String::new();
            for user in page.rows {
                let found = services.store.factors_of(user.id).await?;
                lines.push_str(&serde_json::to_string(&Line::of(user, found, &keys))?);
                lines.push('\n');
                users += 1;
            }
            text(&lines);
            if page.next.is_none() {
                text(&format!("{}\n", serde_json::to_string(&End { end_after_users: users })?));
                return Ok(());
            }
            search.from = page.next;
        }
    }
}

impl ImportFile {
    pub(super) async fn run(self, services: &Services) -> Result<(), CommandError> {
        let here = FactorKeys::new(&services.secrets().await?)?;
        let there = match &self.secret_file {
            Some(file) => FactorKeys::new(&secret_in(file)?)?,
            None => FactorKeys::new(&services.secrets().await?)?,
        };
        let said = |what: &str| CommandError::new(format!("{}: {what}", self.file.display()));
        let file = File::open(&self.file).map_err(|error| said(&error.to_string()))?;
        let mut lines = Lines { file: BufReader::new(file), number: 0 };
        let head: Head = lines.read().map_err(|error| said(&error))?.ok_or_else(|| said(EMPTY))?;
        if !(WITHOUT_END..=FORMAT).contains(&head.countersign_factors) {
            return Err(said("it is of a newer program; start the newer countersign"));
        }
        if head.sealed_under != there.mark() {
            return Err(said(
                "its factors are sealed under another secret; name the file that holds it with \
                 --secret-file",
            ));
        }
        let keys = Keys { here, there };
        let mut done = Done::default();
        let (mut read, mut end) = (0, None);
        while let Some(entry) = lines.read().map_err(|error| said(&error))? {
            let of_user = match entry {
                Entry::User(of_user) if end.is_none() => of_user,
                Entry::End(last) if end.is_none() => {
                    end = Some(last.end_after_users);
                    continue;
                }
                _ => return Err(said(&format!("line {} stands behind its end", lines.number))),
            };
            read += 1;
            done.add(services, *of_user, &keys).await.map_err(|error| {
                let sentence = error.sentence();
                said(&format!("line {}: {sentence}; what came before it is taken", lines.number))
            })?;
        }
        done.tell();
        match end {
            Some(users) if users == read => Ok(()),
            None if head.countersign_factors == WITHOUT_END => {
                note(format!(
                    "The file is of an older program, which wrote no end: look whether {} are all \
                     that were there.",
                    counted(read, "user")
                ));
                Ok(())
            }
            _ => Err(said(
                "it is not whole, as if it had been cut off; what is in it is taken: export again, \
                 and import that too",
            )),
        }
    }
}

/// The secret in a file of another installation.
fn secret_in(file: &Path) -> Result<Secrets, CommandError> {
    let said = |what: String| CommandError::new(format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| said(error.to_string()))?;
    Secrets::from_text(&text).map_err(|error| said(error.to_string()))
}

/// The keys of both sides.
struct Keys {
    here: FactorKeys,
    there: FactorKeys,
}

/// What was taken, and what was left.
#[derive(Default)]
struct Done {
    users: u64,
    factors: u64,
    there_already: u64,
    unknown: u64,
    without_codes: u64,
}

impl Done {
    async fn add(
        &mut self,
        services: &Services,
        of_user: Line,
        keys: &Keys,
    ) -> Result<(), CommandError> {
        let named = services.store.user_by_login(&of_user.username).await?;
        let Some(user) =
            named.map(|found| found.user).filter(|user| user.username == of_user.username)
        else {
            // The file may say anything.
            note(format!("There is no user {}: left out.", shown(&of_user.username)));
            self.unknown += 1;
            return Ok(());
        };
        let many = of_user.factors.len() as u64;
        let had_codes = !of_user.recovery_codes.is_empty();
        let import = of_user.import(&user, keys, &*services.random)?;
        let imported = Operator::shell(services).import_factors(import).await?;
        self.users += u64::from(imported.added > 0);
        self.factors += imported.added;
        self.there_already += many.saturating_sub(imported.added);
        self.without_codes += u64::from(had_codes && imported.added > 0 && !imported.are_codes_new);
        Ok(())
    }

    fn tell(&self) {
        line(format!(
            "Took {} of {}.",
            counted(self.factors, "second factor"),
            counted(self.users, "user")
        ));
        for (many, whose, one, several) in [
            (
                self.there_already,
                "factor",
                "was there already, or was more than a user may have",
                "were there already, or were more than a user may have",
            ),
            (self.unknown, "user", "is not here", "are not here"),
            (
                self.without_codes,
                "user",
                "has no recovery codes of theirs here: they make new ones",
                "have no recovery codes of theirs here: they make new ones",
            ),
        ] {
            if many > 0 {
                line(format!(
                    "{} {}.",
                    counted(many, whose),
                    if many == 1 { one } else { several }
                ));
            }
        }
    }
}

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct Head {
    countersign_factors: u32,
    sealed_under: String,
}

/// A line behind the first one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    User(Box<Line>),
    End(End),
}

/// The last line of a file.
#[derive(Serialize, Deserialize)]
struct End {
    end_after_users: u64,
}

/// What a user has.
#[derive(Serialize, Deserialize)]
struct Line {
    id: UserId,
    username: String,
    factors: Vec<Carried>,
    recovery_codes: Vec<Bytes>,
}

#[derive(Serialize, Deserialize)]
struct Carried {
    id: String,
    kind: String,
    name: Option<String>,
    sealed: Bytes,
    last_step: Option<u64>,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
    /// Of passkeys.
    credential: Option<Bytes>,
    is_backed_up: Option<bool>,
    handle: Option<Bytes>,
}

impl Line {
    fn of(user: User, found: UserFactors, keys: &FactorKeys) -> Self {
        let handle = Bytes(keys.handle(user.id));
        let enrolled = found.factors.into_iter().filter(|factor| factor.is_enrolled);
        let carried = enrolled.map(|factor| Carried {
            id: factor.id.to_string(),
            kind: factor.kind.as_str().to_owned(),
            name: factor.name.map(|name| name.as_str().to_owned()),
            sealed: Bytes(factor.sealed),
            last_step: factor.last_step,
            created_at: factor.created_at,
            last_used_at: factor.last_used_at,
            handle: factor
                .credential
                .as_ref()
                .map(|_| factor.handle.map_or_else(|| handle.clone(), Bytes)),
            credential: factor.credential.map(Bytes),
            is_backed_up: factor.is_backed_up,
        });
        let codes = found.recovery_codes.iter().map(|hash| Bytes(hash.as_bytes().to_vec()));
        Self {
            id: user.id,
            username: user.username,
            factors: carried.collect(),
            recovery_codes: codes.collect(),
        }
    }

    /// The same for a user of this installation.
    fn import(
        self,
        user: &User,
        keys: &Keys,
        random: &dyn Random,
    ) -> Result<ImportFactors, CommandError> {
        let is_same = keys.here.mark() == keys.there.mark() && self.id == user.id;
        let own = self.id;
        let factors = self.factors.into_iter().map(|factor| factor.import(own, user.id, keys));
        let codes = self.recovery_codes.into_iter().filter(|_| is_same).map(|Bytes(hash)| {
            let hash = SecretHash::from_stored(&hash);
            hash.map(|hash| NewRecoveryCode { id: FactorId::draw(random), hash })
                .ok_or_else(|| CommandError::new("a recovery code's hash is none"))
        });
        Ok(ImportFactors {
            user: user.id,
            factors: factors.collect::<Result<_, _>>()?,
            codes: codes.collect::<Result<_, _>>()?,
        })
    }
}

impl Carried {
    fn import(
        self,
        owner: UserId,
        new_owner: UserId,
        keys: &Keys,
    ) -> Result<StoredFactor, CommandError> {
        let id: FactorId = self.id.parse()?;
        let kind = FactorKind::from_word(&self.kind)
            .ok_or_else(|| CommandError::new(format!("no factor is a {:?}", self.kind)))?;
        let sealed = keys.there.reseal(&self.sealed.0, id, owner, &keys.here, new_owner)?;
        let own_handle = keys.here.handle(new_owner);
        Ok(StoredFactor {
            id,
            kind,
            name: self.name.and_then(|name| DeviceName::parse(&name).ok()),
            sealed,
            last_step: self.last_step,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            is_enrolled: true,
            credential: self.credential.map(|Bytes(bytes)| bytes),
            is_backed_up: self.is_backed_up,
            handle: self.handle.map(|Bytes(bytes)| bytes).filter(|handle| *handle != own_handle),
        })
    }
}

/// The lines of a file, each of a length that a user's factors have.
struct Lines {
    file: BufReader<File>,
    number: u64,
}

impl Lines {
    fn read<T: for<'a> Deserialize<'a>>(&mut self) -> Result<Option<T>, String> {
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(LONGEST).read_until(b'\n', &mut bytes);
        if read.map_err(|error| error.to_string())? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let parsed = serde_json::from_slice(&bytes);
        // The line may hold what is sealed: it is not repeated.
        let what = |_| format!("line {} is none of `factor export`", self.number);
        parsed.map(Some).map_err(what)
    }
}

/// Bytes as base64.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

const FORMAT: u32 = 2;

/// The first format, whose files do not say where they end.
const WITHOUT_END: u32 = 1;

const EMPTY: &str = "it is empty; `countersign factor export` makes one";

/// Users that are read at once.
const USERS: u32 = 100;

/// Twenty passkeys are some 20 KB.
const LONGEST: u64 = 1024 * 1024;
