//! A session that two parties hold: its end, the line about it, and the mail that tells the user.

use deadpool_postgres::Object;

use super::columns::micros;
use super::sessions::signed;
use crate::session::{RevokedReason, SessionRow};
use crate::store::admin::StepKind;
use crate::store::admin::steps::stepped;
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::address;
use crate::store::{MailBounds, MailClass, NewMail, Rotate, Stolen};
use crate::user::UserId;

/// Ends a session that two parties hold, if it is still as it was read, and notes it.
pub(super) async fn end(
    client: &Object,
    rotate: &Rotate,
    row: &SessionRow,
    steps: &[u8],
) -> Result<bool, Failure> {
    let statement = client
        .prepare_cached(
            "WITH ended AS (
                 UPDATE sessions SET revoked_at = $2, revoked_reason = $3, steps = $6
                 WHERE id = $1 AND revoked_at IS NULL AND generation = $4 AND current_jti = $5
                 RETURNING id, user_id
             ), noted AS (
                 INSERT INTO audit_events (at, kind, user_id, session_id, ip)
                 SELECT $2, $3, user_id, id, $7 FROM ended
             ), told AS (
                 INSERT INTO outbox (id, kind, state, user_id, address, sealed, created_at, due_at)
                 SELECT $8, $9, CASE WHEN (
                     SELECT count(*) FROM outbox
                     WHERE address = $10 AND kind = $9 AND created_at > $2 - 3600000000
                 ) >= $12 THEN 'void' ELSE 'waiting' END, user_id, $10, $11, $2, $2
                 FROM ended WHERE $8::bigint IS NOT NULL
             )
             SELECT count(*) FROM ended",
        )
        .await?;
    let mail = mail_of_theft(client, rotate, row.user_id).await?;
    let mail_id = mail.as_ref().map(|mail| mail.id);
    let class = MailClass::Notice;
    let many = i64::from(MailBounds::OF_ACTS.of(class));
    let address_of_mail = mail.as_ref().map_or("", |mail| mail.address.as_str());
    let sealed = mail.as_ref().map_or(&[][..], |mail| mail.sealed.as_slice());
    let (id, at) = (rotate.session.get().cast_signed(), micros(rotate.now));
    let reason = RevokedReason::TokenTheft.as_str();
    let (generation, jti) = (signed(row.state.generation.0), row.state.current_jti.0.as_slice());
    let steps = stepped(steps, StepKind::Theft, rotate.now);
    let ip = address(rotate.ip);
    let ended: i64 = client
        .query_one(
            &statement,
            &[
                &id,
                &at,
                &reason,
                &generation,
                &jti,
                &steps,
                &ip,
                &mail_id,
                &class.as_str(),
                &address_of_mail,
                &sealed,
                &many,
            ],
        )
        .await?
        .try_get(0)?;
    Ok(ended == 1)
}

/// The mail that tells the user, where there is somebody to tell.
async fn mail_of_theft(
    client: &Object,
    rotate: &Rotate,
    user: UserId,
) -> Result<Option<NewMail>, Failure> {
    let Some(notice) = &rotate.theft_notice else { return Ok(None) };
    let statement = client
        .prepare_cached(
            "SELECT email, email_verified, locale, (SELECT user_agent FROM sessions WHERE id = $2)
             FROM users WHERE id = $1",
        )
        .await?;
    let session = rotate.session.get().cast_signed();
    let Some(row) = client.query_opt(&statement, &[&user.as_i64(), &session]).await? else {
        return Ok(None);
    };
    Ok(notice.of(&Stolen {
        user,
        email: row.try_get(0)?,
        is_proved: row.try_get(1)?,
        language: row.try_get(2)?,
        user_agent: row.try_get::<_, Option<String>>(3)?.unwrap_or_default(),
    }))
}
