//! One-time tokens in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::admin::audit;
use super::columns::{from_micros, key, micros, read_user_id, unknown_word, unreadable};
use super::issue::{issue, issue_with_mails};
use super::names::{namesakes, owners_of_address, refuse_taken_address};
use super::{SqliteStore, factors, fingerprint, outbox, registrations, sessions, users};
use crate::password::EncodedPassword;
use crate::session::RevokedReason;
use crate::store::admin::AuditLine;
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{logged, renamed};
use crate::store::plan::names::{folding, other_name};
use crate::store::sql::statements;
use crate::store::tokens::{CODE_CLAIMS, CODE_TRIES};
use crate::store::{
    Act, Leftovers, MailBounds, Mailed, NewMail, NewToken, Register, StoreError, StoredToken,
    TokenStore, Use, Used, WaitingRegistration,
};
use crate::token::{Fingerprint, Purpose, SecretHash, TokenId};
use crate::user::{User, UserId, fold_address};

#[async_trait]
impl TokenStore for SqliteStore {
    async fn issue_tokens(
        &self,
        tokens: Vec<NewToken>,
        mails: Vec<NewMail>,
        bounds: MailBounds,
    ) -> Result<bool, StoreError> {
        let mailed = Mailed { tokens, mails, bounds };
        self.writer.run(move |c| issue_with_mails(c, &mailed)).await
    }

    async fn carry_tokens(
        &self,
        user: UserId,
        before: Fingerprint,
        after: Fingerprint,
    ) -> Result<(), StoreError> {
        self.writer.run(move |c| fingerprint::carry(c, user, before, after)).await
    }

    async fn token(&self, id: TokenId) -> Result<Option<StoredToken>, StoreError> {
        self.readers.run(move |c| by_id(c, id)).await
    }

    async fn tokens_for(
        &self,
        purpose: Purpose,
        address: &str,
        limit: u32,
    ) -> Result<Vec<StoredToken>, StoreError> {
        let address = address.to_owned();
        self.readers.run(move |c| newest(c, purpose, &address, limit)).await
    }

    async fn try_codes(
        &self,
        purpose: Purpose,
        address: &str,
        now: Timestamp,
    ) -> Result<Vec<StoredToken>, StoreError> {
        let address = address.to_owned();
        self.writer.run(move |c| try_codes(c, purpose, &address, now)).await
    }

    async fn use_token(&self, take: Use) -> Result<Used, StoreError> {
        self.writer.run(move |c| use_up(c, &take)).await.map(logged)
    }

    async fn register(&self, register: Register) -> Result<User, StoreError> {
        self.writer.run(move |c| make_user(c, &register)).await
    }

    async fn prune_tokens(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.writer.run(move |c| prune(c, before, limit)).await
    }
}

fn by_id(connection: &Connection, id: TokenId) -> Result<Option<StoredToken>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM one_time_tokens WHERE id = ?");
    Ok(connection.prepare_cached(&sql)?.query_row([id.as_i64()], token).optional()?)
}

fn newest(
    connection: &Connection,
    purpose: Purpose,
    address: &str,
    limit: u32,
) -> Result<Vec<StoredToken>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM one_time_tokens
         WHERE address = ? AND purpose = ? AND used_at IS NULL AND user_id IS NOT NULL
         ORDER BY created_at DESC, id DESC LIMIT ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let tokens = statement.query_map(params![address, purpose.as_str(), limit], token)?;
    Ok(tokens.collect::<Result<_, _>>()?)
}

fn try_codes(
    connection: &Connection,
    purpose: Purpose,
    address: &str,
    now: Timestamp,
) -> Result<Vec<StoredToken>, Failure> {
    let sql = format!(
        "UPDATE one_time_tokens SET tries = tries + 1 WHERE id IN (
             SELECT id FROM one_time_tokens
             WHERE address = ? AND purpose = ? AND used_at IS NULL AND user_id IS NOT NULL
                 AND code_hash IS NOT NULL AND tries < ? AND expires_at > ?
             ORDER BY created_at DESC, id DESC LIMIT ?)
         RETURNING {COLUMNS}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let tokens = statement.query_map(
        params![address, purpose.as_str(), CODE_TRIES, micros(now), CODE_CLAIMS],
        token,
    )?;
    Ok(tokens.collect::<Result<_, _>>()?)
}

/// One writes at a time: between the look and the change nothing comes.
fn use_up(connection: &Connection, take: &Use) -> Result<(Used, Vec<AuditLine>), Failure> {
    let invalid = || Ok((Used::Invalid, Vec::new()));
    let Some(stored) = by_id(connection, take.id)? else { return invalid() };
    if !stored.serves(take.purpose, &take.proof, take.now) {
        return invalid();
    }
    let Some(user) = stored.user else { return invalid() };
    let row = match &take.act {
        Act::Elsewhere { row, .. } => Some(*row),
        _ => fingerprint::of_row(connection, user)?,
    };
    let is_as_it_was = row == Some(stored.fingerprint);
    if !(is_as_it_was || (take.purpose == Purpose::Undo && row.is_some())) {
        return invalid();
    }
    connection
        .prepare_cached(statements::USE_TOKEN)?
        .execute(params![micros(take.now), take.id.as_i64()])?;
    if take.purpose == Purpose::Undo {
        end_later_tokens(connection, user, take)?;
    }
    let lines = match &take.act {
        Act::Undo { to, .. } => take_from_who_did_not_prove(connection, user, to, take)?,
        _ => Vec::new(),
    };
    let ended = apply(connection, user, take)?;
    audit::note(connection, &lines)?;
    outbox::queue(connection, &take.mails, MailBounds::OF_ACTS)?;
    let user = match &take.act {
        Act::Elsewhere { .. } => None,
        _ => users::by_id(connection, user)?.map(Box::new),
    };
    Ok((Used::Done { user, ended }, lines))
}

/// Whoever took the account got mails of their own.
fn end_later_tokens(connection: &Connection, user: UserId, take: &Use) -> Result<(), Failure> {
    connection.prepare_cached(statements::END_LATER_TOKENS)?.execute(params![
        micros(take.now),
        key(user),
        take.id.as_i64()
    ])?;
    Ok(())
}

/// Does what the token is for. How many sessions end.
fn apply(connection: &Connection, user: UserId, take: &Use) -> Result<u64, Failure> {
    let end_sessions =
        |reason: RevokedReason| sessions::revoke_of_user(connection, user, None, reason, take.now);
    match &take.act {
        Act::VerifyEmail { to, password } => {
            let is_first = match to {
                Some(to) => set_address(connection, user, to.as_str())?,
                None => prove_address(connection, user)?,
            };
            match password {
                Some(password) if is_first => {
                    clear(connection, user, take, take.act.leftovers())?;
                    set_password(connection, user, password)?;
                    end_sessions(take.act.reason())
                }
                _ => Ok(0),
            }
        }
        Act::SetPassword { new } => {
            prove_address(connection, user)?;
            set_password(connection, user, new)?;
            end_sessions(take.act.reason())
        }
        Act::Join { password, profile } => {
            users::update_profile(connection, user, profile)?;
            prove_address(connection, user)?;
            set_password(connection, user, password)?;
            end_sessions(take.act.reason())
        }
        Act::ChangeEmail { to } => {
            set_address(connection, user, to.as_str())?;
            Ok(0)
        }
        Act::Undo { to, password } => {
            clear(connection, user, take, take.act.leftovers())?;
            set_address(connection, user, to)?;
            set_password(connection, user, password)?;
            // Whoever took the account may have asked for its deletion too.
            connection.prepare_cached(statements::STAY)?.execute([user.as_i64()])?;
            end_sessions(take.act.reason())
        }
        Act::ProveAddress => {
            prove_address(connection, user)?;
            Ok(0)
        }
        Act::Elsewhere { leftovers, .. } => {
            clear(connection, user, take, *leftovers)?;
            Ok(0)
        }
    }
}

/// Takes away what somebody has left who is put out.
fn clear(
    connection: &Connection,
    user: UserId,
    take: &Use,
    leftovers: Leftovers,
) -> Result<(), Failure> {
    match leftovers {
        Leftovers::Stay => Ok(()),
        Leftovers::RecentFactors => factors::remove_recent(connection, user, take.id, take.now),
        Leftovers::FactorsAndTokens => {
            factors::remove_all(connection, user, take.now)?;
            end_every_token(connection, user, take.now)
        }
    }
}

/// Ends what was mailed to a user, those links too that undo a change of the address.
pub(super) fn end_every_token(
    connection: &Connection,
    user: UserId,
    now: Timestamp,
) -> Result<(), Failure> {
    connection
        .prepare_cached(statements::END_EVERY_TOKEN)?
        .execute(params![micros(now), key(user)])?;
    Ok(())
}

/// Whether it was not proved before.
pub(super) fn prove_address(connection: &Connection, user: UserId) -> Result<bool, Failure> {
    let proved = connection
        .prepare_cached(
            "UPDATE users SET email_verified = 1 WHERE id = ? AND email_verified = 0
                 AND email <> ''",
        )?
        .execute([user.as_i64()])?;
    Ok(proved == 1)
}

fn set_password(
    connection: &Connection,
    user: UserId,
    new: &EncodedPassword,
) -> Result<(), Failure> {
    connection
        .prepare_cached(statements::SET_PASSWORD)?
        .execute(params![new.as_str(), user.as_i64()])?;
    Ok(())
}

/// Whoever has put the address into their own row meanwhile, and has not proved it, does not keep
/// it from its owner, neither as an address nor as a name.
fn take_from_who_did_not_prove(
    connection: &Connection,
    owner: UserId,
    address: &str,
    take: &Use,
) -> Result<Vec<AuditLine>, Failure> {
    let mut lines = Vec::new();
    for (id, name) in namesakes(connection, owner, address)? {
        let other = other_name(id, take.id);
        connection
            .prepare_cached("UPDATE users SET username = ?, username_folded = ? WHERE id = ?")?
            .execute(params![other, other, id])?;
        lines.push(renamed(UserId::new(id), &name, &other, owner, take.now));
    }
    let holders = owners_of_address(connection, address)?;
    for (id, _) in holders.into_iter().filter(|(id, _)| Some(*id) != owner.as_i64()) {
        connection
            .prepare_cached(
                "UPDATE users SET email = '', email_folded = NULL
                 WHERE id = ? AND email_verified = 0",
            )?
            .execute([id])?;
    }
    Ok(lines)
}

/// Whether it was not proved before.
fn set_address(connection: &Connection, user: UserId, to: &str) -> Result<bool, Failure> {
    refuse_taken_address(connection, Some(user), to)?;
    connection.prepare_cached(statements::SET_ADDRESS)?.execute(params![
        to,
        folding(to),
        user.as_i64()
    ])?;
    // A trigger has taken the proof of the former address away.
    prove_address(connection, user)
}

fn make_user(connection: &Connection, register: &Register) -> Result<User, Failure> {
    let Register { user, claims, waits_until, token, mail, taken, bounds, now } = register;
    let is_taken = match refuse_taken_address(connection, None, claims.as_str()) {
        Err(Failure(StoreError::EmailTaken)) => true,
        other => other.map(|()| false)?,
    };
    let made = users::create(connection, user, *now)?;
    if let Some(until) = *waits_until {
        let address = claims.as_str().to_owned();
        let waits = WaitingRegistration { user: made.id, address, until };
        registrations::note(connection, &waits)?;
    }
    let owner = (!is_taken).then_some(made.id);
    let row = Fingerprint::of(&user.password, &fold_address(&made.email), made.is_active);
    let token = NewToken { user: owner, fingerprint: row, ..token.clone() };
    let mail = NewMail { user: owner, ..if is_taken { taken } else { mail }.clone() };
    let is_sent = outbox::queue(connection, &[mail], *bounds)?;
    issue(connection, &token, is_sent)?;
    Ok(made)
}

fn prune(connection: &Connection, before: Timestamp, limit: u32) -> Result<u64, Failure> {
    let gone = connection
        .prepare_cached(
            "DELETE FROM one_time_tokens WHERE id IN (
                 SELECT id FROM one_time_tokens WHERE expires_at < ? LIMIT ?)",
        )?
        .execute(params![micros(before), limit])?;
    Ok(gone as u64)
}

pub(super) fn token(row: &Row<'_>) -> rusqlite::Result<StoredToken> {
    let word: String = row.get(1)?;
    let hash = |bytes: Vec<u8>| {
        SecretHash::from_stored(&bytes).ok_or_else(|| unknown_word("a hash of another length"))
    };
    let user = row.get_ref(2)?;
    let fingerprint: Vec<u8> = row.get(7)?;
    Ok(StoredToken {
        id: TokenId::new(row.get(0)?).ok_or_else(|| unknown_word("a negative id"))?,
        purpose: Purpose::from_word(&word).ok_or_else(|| unknown_word(&word))?,
        user: match user {
            rusqlite::types::ValueRef::Null => None,
            other => Some(read_user_id(other)?),
        },
        address: row.get(3)?,
        secret: hash(row.get(4)?)?,
        code: row.get::<_, Option<Vec<u8>>>(5)?.map(hash).transpose()?,
        tries: row.get(6)?,
        fingerprint: Fingerprint::from_stored(&fingerprint)
            .ok_or_else(|| unknown_word("a fingerprint of another length"))?,
        payload: serde_json::from_str(row.get_ref(8)?.as_str().map_err(unreadable)?)
            .map_err(unreadable)?,
        expires_at: from_micros(row.get(9)?),
        is_used: row.get(10)?,
    })
}

pub(super) const COLUMNS: &str = "id, purpose, user_id, address, secret_hash, code_hash, tries, \
                        fingerprint, \
                       payload, expires_at, used_at IS NOT NULL";
