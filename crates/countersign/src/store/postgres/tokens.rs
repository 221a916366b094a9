//! One-time tokens in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::admin::audit;
use super::columns::{from_micros, get, micros, unknown, user_id};
use super::issue::{issue, issue_with_mails};
use super::names::{hold_names, namesakes, owners_of_address, refuse_taken_address};
use super::{PostgresStore, factors, fingerprint, outbox, registrations, sessions, users};
use crate::password::EncodedPassword;
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
use crate::user::{User, UserId, fold, fold_address};

#[async_trait]
impl TokenStore for PostgresStore {
    async fn issue_tokens(
        &self,
        tokens: Vec<NewToken>,
        mails: Vec<NewMail>,
        bounds: MailBounds,
    ) -> Result<bool, StoreError> {
        let mailed = Mailed { tokens, mails, bounds };
        write!(self, client => issue_with_mails(client, &mailed))
    }

    async fn carry_tokens(
        &self,
        user: UserId,
        before: Fingerprint,
        after: Fingerprint,
    ) -> Result<(), StoreError> {
        write!(self, client => fingerprint::carry(&*client, user, before, after))
    }

    async fn token(&self, id: TokenId) -> Result<Option<StoredToken>, StoreError> {
        read!(self, client => by_id(client, id))
    }

    async fn tokens_for(
        &self,
        purpose: Purpose,
        address: &str,
        limit: u32,
    ) -> Result<Vec<StoredToken>, StoreError> {
        read!(self, client => newest(client, purpose, address, limit))
    }

    async fn try_codes(
        &self,
        purpose: Purpose,
        address: &str,
        now: Timestamp,
    ) -> Result<Vec<StoredToken>, StoreError> {
        write!(self, client => try_codes(client, purpose, address, now))
    }

    async fn use_token(&self, take: Use) -> Result<Used, StoreError> {
        write!(self, client => use_up(client, &take)).map(logged)
    }

    async fn register(&self, register: Register) -> Result<User, StoreError> {
        write!(self, client => make_user(client, &register))
    }

    async fn prune_tokens(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        write!(self, client => prune(client, before, limit))
    }
}

async fn by_id(client: &impl GenericClient, id: TokenId) -> Result<Option<StoredToken>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM one_time_tokens WHERE id = $1");
    let statement = client.prepare_cached(&sql).await?;
    client.query_opt(&statement, &[&id.as_i64()]).await?.as_ref().map(token).transpose()
}

async fn newest(
    client: &Object,
    purpose: Purpose,
    address: &str,
    limit: u32,
) -> Result<Vec<StoredToken>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM one_time_tokens
         WHERE address = $1 AND purpose = $2 AND used_at IS NULL AND user_id IS NOT NULL
         ORDER BY created_at DESC, id DESC LIMIT $3"
    );
    let statement = client.prepare_cached(&sql).await?;
    let rows = client.query(&statement, &[&address, &purpose.as_str(), &i64::from(limit)]).await?;
    rows.iter().map(token).collect()
}

/// The rows are held before they are counted: of two tries at once none is forgotten.
async fn try_codes(
    client: &Object,
    purpose: Purpose,
    address: &str,
    now: Timestamp,
) -> Result<Vec<StoredToken>, Failure> {
    let sql = format!(
        "UPDATE one_time_tokens SET tries = tries + 1 WHERE id IN (
             SELECT id FROM one_time_tokens
             WHERE address = $1 AND purpose = $2 AND used_at IS NULL AND user_id IS NOT NULL
                 AND code_hash IS NOT NULL AND tries < $3 AND expires_at > $4
             ORDER BY created_at DESC, id DESC LIMIT $5 FOR UPDATE)
         RETURNING {COLUMNS}"
    );
    let statement = client.prepare_cached(&sql).await?;
    let tries = i32::try_from(CODE_TRIES).unwrap_or(i32::MAX);
    let values: [&(dyn ToSql + Sync); 5] =
        [&address, &purpose.as_str(), &tries, &micros(now), &i64::from(CODE_CLAIMS)];
    let rows = client.query(&statement, &values).await?;
    rows.iter().map(token).collect()
}

/// The user's row is held first, then the token's, as by an operator who ends a user's tokens. Of
/// two at once the second finds it used.
async fn use_up(client: &mut Object, take: &Use) -> Result<(Used, Vec<AuditLine>), Failure> {
    let transaction = client.transaction().await?;
    let invalid = || Ok((Used::Invalid, Vec::new()));
    let serves = |stored: &StoredToken| stored.serves(take.purpose, &take.proof, take.now);
    let Some(stored) = by_id(&transaction, take.id).await?.filter(serves) else {
        return invalid();
    };
    let Some(user) = stored.user else { return invalid() };
    // Names are held before rows, as everywhere.
    match &take.act {
        Act::ChangeEmail { to } | Act::VerifyEmail { to: Some(to), .. } => {
            hold_address(&transaction, to.as_str()).await?;
        }
        Act::Undo { to, .. } => hold_address(&transaction, to).await?,
        Act::Join { profile, .. } => {
            let email = profile.email.as_ref().and_then(Option::as_ref);
            users::hold_names_of(&transaction, profile.username.as_ref(), email).await?;
        }
        _ => {}
    }
    let row = match &take.act {
        Act::Elsewhere { row, .. } => Some(*row),
        _ => fingerprint::of_row(&transaction, user).await?,
    };
    let statement = transaction
        .prepare_cached("SELECT used_at IS NULL FROM one_time_tokens WHERE id = $1 FOR UPDATE")
        .await?;
    let held = transaction.query_opt(&statement, &[&take.id.as_i64()]).await?;
    if !held.map(|row| row.try_get::<_, bool>(0)).transpose()?.unwrap_or(false) {
        return invalid();
    }
    let is_as_it_was = row == Some(stored.fingerprint);
    if !(is_as_it_was || (take.purpose == Purpose::Undo && row.is_some())) {
        return invalid();
    }
    let statement = transaction.prepare_cached(statements::USE_TOKEN).await?;
    transaction.execute(&statement, &[&micros(take.now), &take.id.as_i64()]).await?;
    if take.purpose == Purpose::Undo {
        end_later_tokens(&transaction, user, take).await?;
    }
    let lines = match &take.act {
        Act::Undo { to, .. } => take_from_who_did_not_prove(&transaction, user, to, take).await?,
        _ => Vec::new(),
    };
    let ended = apply(&transaction, user, take).await?;
    audit::note(&transaction, &lines).await?;
    outbox::queue(&transaction, &take.mails, MailBounds::OF_ACTS).await?;
    let user = match &take.act {
        Act::Elsewhere { .. } => None,
        _ => users::by_id(&transaction, user).await?.map(Box::new),
    };
    transaction.commit().await?;
    Ok((Used::Done { user, ended }, lines))
}

/// Whoever took the account got mails of their own.
async fn end_later_tokens(
    transaction: &Transaction<'_>,
    user: UserId,
    take: &Use,
) -> Result<(), Failure> {
    let statement = transaction.prepare_cached(statements::END_LATER_TOKENS).await?;
    let (now, id) = (micros(take.now), take.id.as_i64());
    transaction.execute(&statement, &[&now, &user.to_string(), &id]).await?;
    Ok(())
}

/// Does what the token is for. How many sessions end.
async fn apply(transaction: &Transaction<'_>, user: UserId, take: &Use) -> Result<u64, Failure> {
    let reason = take.act.reason();
    match &take.act {
        Act::VerifyEmail { to, password } => {
            let is_first = match to {
                Some(to) => set_address(transaction, user, to.as_str()).await?,
                None => prove_address(transaction, user).await?,
            };
            match password {
                Some(password) if is_first => {
                    clear(transaction, user, take, take.act.leftovers()).await?;
                    set_password(transaction, user, password).await?;
                    sessions::revoke_of_user(transaction, user, None, reason, take.now).await
                }
                _ => Ok(0),
            }
        }
        Act::SetPassword { new } => {
            prove_address(transaction, user).await?;
            set_password(transaction, user, new).await?;
            sessions::revoke_of_user(transaction, user, None, reason, take.now).await
        }
        Act::Join { password, profile } => {
            let before = users::by_id(transaction, user).await?;
            let before = before.map(|user| user.username).unwrap_or_default();
            users::change_profile(transaction, user, &before, profile).await?;
            prove_address(transaction, user).await?;
            set_password(transaction, user, password).await?;
            sessions::revoke_of_user(transaction, user, None, reason, take.now).await
        }
        Act::ChangeEmail { to } => {
            set_address(transaction, user, to.as_str()).await?;
            Ok(0)
        }
        Act::Undo { to, password } => {
            clear(transaction, user, take, take.act.leftovers()).await?;
            set_address(transaction, user, to).await?;
            set_password(transaction, user, password).await?;
            // Whoever took the account may have asked for its deletion too.
            let statement = transaction.prepare_cached(statements::STAY).await?;
            transaction.execute(&statement, &[&user.as_i64()]).await?;
            sessions::revoke_of_user(transaction, user, None, reason, take.now).await
        }
        Act::ProveAddress => {
            prove_address(transaction, user).await?;
            Ok(0)
        }
        Act::Elsewhere { leftovers, .. } => {
            clear(transaction, user, take, *leftovers).await?;
            Ok(0)
        }
    }
}

/// Takes away what somebody has left who is put out.
async fn clear(
    transaction: &Transaction<'_>,
    user: UserId,
    take: &Use,
    leftovers: Leftovers,
) -> Result<(), Failure> {
    match leftovers {
        Leftovers::Stay => Ok(()),
        Leftovers::RecentFactors => {
            factors::remove_recent(transaction, user, take.id, take.now).await
        }
        Leftovers::FactorsAndTokens => {
            factors::remove_all(transaction, user, take.now).await?;
            end_every_token(transaction, user, take.now).await
        }
    }
}

/// Ends what was mailed to a user, those links too that undo a change of the address. The caller
/// holds the user's row.
pub(super) async fn end_every_token(
    transaction: &Transaction<'_>,
    user: UserId,
    now: Timestamp,
) -> Result<(), Failure> {
    let statement = transaction.prepare_cached(statements::END_EVERY_TOKEN).await?;
    transaction.execute(&statement, &[&micros(now), &user.to_string()]).await?;
    Ok(())
}

/// Whether it was not proved before.
pub(super) async fn prove_address(
    transaction: &Transaction<'_>,
    user: UserId,
) -> Result<bool, Failure> {
    let statement = transaction
        .prepare_cached(
            "UPDATE users SET email_verified = true
             WHERE id = $1 AND NOT email_verified AND email <> ''",
        )
        .await?;
    Ok(transaction.execute(&statement, &[&user.as_i64()]).await? == 1)
}

async fn set_password(
    transaction: &Transaction<'_>,
    user: UserId,
    new: &EncodedPassword,
) -> Result<(), Failure> {
    let statement = transaction.prepare_cached(statements::SET_PASSWORD).await?;
    transaction.execute(&statement, &[&new.as_str(), &user.as_i64()]).await?;
    Ok(())
}

async fn hold_address(transaction: &Transaction<'_>, address: &str) -> Result<(), Failure> {
    hold_names(transaction, &[&fold(address), &fold_address(address)]).await
}

/// Whoever has put the address into their own row meanwhile, and has not proved it, does not keep
/// it from its owner, neither as an address nor as a name.
async fn take_from_who_did_not_prove(
    transaction: &Transaction<'_>,
    owner: UserId,
    address: &str,
    take: &Use,
) -> Result<Vec<AuditLine>, Failure> {
    let mut lines = Vec::new();
    for (id, name) in namesakes(transaction, owner, address).await? {
        let other = other_name(id, take.id);
        let statement = transaction
            .prepare_cached("UPDATE users SET username = $2, username_folded = $2 WHERE id = $1")
            .await?;
        transaction.execute(&statement, &[&id, &other]).await?;
        lines.push(renamed(UserId::new(id), &name, &other, owner, take.now));
    }
    let holders = owners_of_address(transaction, address).await?;
    let others = holders.into_iter().map(|(id, _)| id).filter(|id| Some(*id) != owner.as_i64());
    let statement = transaction
        .prepare_cached(
            "UPDATE users SET email = '', email_folded = NULL
             WHERE id = ANY($1) AND NOT email_verified",
        )
        .await?;
    transaction.execute(&statement, &[&others.collect::<Vec<i64>>()]).await?;
    Ok(lines)
}

/// Whether it was not proved before.
async fn set_address(
    transaction: &Transaction<'_>,
    user: UserId,
    to: &str,
) -> Result<bool, Failure> {
    refuse_taken_address(transaction, Some(user), to).await?;
    let statement = transaction.prepare_cached(statements::SET_ADDRESS).await?;
    transaction.execute(&statement, &[&to, &folding(to), &user.as_i64()]).await?;
    // A trigger has taken the proof of the former address away.
    prove_address(transaction, user).await
}

async fn make_user(client: &mut Object, register: &Register) -> Result<User, Failure> {
    let Register { user, claims, waits_until, token, mail, taken, bounds, now } = register;
    let transaction = client.transaction().await?;
    hold_address(&transaction, claims.as_str()).await?;
    let is_taken = match refuse_taken_address(&transaction, None, claims.as_str()).await {
        Err(Failure(StoreError::EmailTaken)) => true,
        other => other.map(|()| false)?,
    };
    let id = users::insert(&transaction, user, *now).await?;
    if let Some(until) = *waits_until {
        let address = claims.as_str().to_owned();
        let waits = WaitingRegistration { user: id, address, until };
        registrations::note(&transaction, &waits).await?;
    }
    let owner = (!is_taken).then_some(id);
    let address = user.email.as_ref().map_or("", |email| email.as_str());
    let row = Fingerprint::of(&user.password, &fold_address(address), user.is_active);
    let token = NewToken { user: owner, fingerprint: row, ..token.clone() };
    let mail = NewMail { user: owner, ..if is_taken { taken } else { mail }.clone() };
    let is_sent = outbox::queue(&transaction, &[mail], *bounds).await?;
    issue(&transaction, &token, is_sent).await?;
    let made = users::by_id(&transaction, id)
        .await?
        .ok_or_else(|| StoreError::Failed("a new user is not there".to_owned()))?;
    transaction.commit().await?;
    Ok(made)
}

async fn prune(client: &Object, before: Timestamp, limit: u32) -> Result<u64, Failure> {
    let statement = client
        .prepare_cached(
            "DELETE FROM one_time_tokens WHERE id = ANY(ARRAY(
                 SELECT id FROM one_time_tokens WHERE expires_at < $1 LIMIT $2
                 FOR UPDATE SKIP LOCKED))",
        )
        .await?;
    Ok(client.execute(&statement, &[&micros(before), &i64::from(limit)]).await?)
}

pub(super) fn token(row: &Row) -> Result<StoredToken, Failure> {
    let word: String = get(row, "purpose")?;
    let hash = |bytes: Vec<u8>| {
        SecretHash::from_stored(&bytes).ok_or_else(|| unknown("a hash of another length"))
    };
    let fingerprint: Vec<u8> = get(row, "fingerprint")?;
    let payload: String = get(row, "payload")?;
    Ok(StoredToken {
        id: TokenId::new(get(row, "id")?).ok_or_else(|| unknown("a negative id"))?,
        purpose: Purpose::from_word(&word).ok_or_else(|| unknown(&word))?,
        user: get::<Option<String>>(row, "user_id")?.map(|id| user_id(&id)).transpose()?,
        address: get(row, "address")?,
        secret: hash(get(row, "secret_hash")?)?,
        code: get::<Option<Vec<u8>>>(row, "code_hash")?.map(hash).transpose()?,
        tries: u32::try_from(get::<i32>(row, "tries")?).unwrap_or(u32::MAX),
        fingerprint: Fingerprint::from_stored(&fingerprint)
            .ok_or_else(|| unknown("a fingerprint of another length"))?,
        payload: serde_json::from_str(&payload).map_err(|_| unknown(&payload))?,
        expires_at: from_micros(get(row, "expires_at")?),
        is_used: get(row, "is_used")?,
    })
}

pub(super) const COLUMNS: &str = "id, purpose, user_id, address, secret_hash, code_hash, tries, \
                        fingerprint, \
                       payload, expires_at, used_at IS NOT NULL AS is_used";
