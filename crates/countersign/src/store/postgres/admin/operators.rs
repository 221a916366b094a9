//! Sessions of the admin site itself. What ends them with their user is in the schema, and in whatever ends a user's sessions.

use deadpool_postgres::Object;
use jiff::Timestamp;

use crate::store::StoreError;
use crate::store::admin::AdminSession;
use crate::store::admin::told::address;
use crate::store::postgres::columns::{from_micros, get, micros};
use crate::user::UserId;

pub(super) async fn begin(client: &Object, new: &AdminSession) -> Result<(), StoreError> {
    // Who was deactivated since the password was checked does not get in.
    let statement = client
        .prepare_cached(
            "INSERT INTO admin_sessions (token_hash, user_id, created_at, used_at, password_at, ip, user_agent)
             SELECT $1, id, $3, $4, $5, $6, $7 FROM users WHERE id = $2 AND is_active AND is_staff FOR SHARE",
        )
        .await?;
    let (created, used, password) = (micros(new.created_at), micros(new.used_at), micros(new.password_at));
    let (hash, user, ip) = (new.token_hash.as_slice(), new.user.as_i64(), address(new.ip));
    client.execute(&statement, &[&hash, &user, &created, &used, &password, &ip, &new.user_agent]).await?;
    Ok(())
}

pub(super) async fn session(client: &Object, token_hash: [u8; 32]) -> Result<Option<AdminSession>, StoreError> {
    let statement = client
        .prepare_cached("SELECT user_id, created_at, used_at, password_at, ip, user_agent FROM admin_sessions WHERE token_hash = $1")
        .await?;
    let Some(row) = client.query_opt(&statement, &[&token_hash.as_slice()]).await? else { return Ok(None) };
    Ok(Some(AdminSession {
        token_hash,
        user: UserId::new(get(&row, "user_id")?),
        created_at: from_micros(get(&row, "created_at")?),
        used_at: from_micros(get(&row, "used_at")?),
        password_at: from_micros(get(&row, "password_at")?),
        ip: get::<Option<&str>>(&row, "ip")?.and_then(|ip| ip.parse().ok()),
        user_agent: get(&row, "user_agent")?,
    }))
}

pub(super) async fn touch(
    client: &Object,
    token_hash: [u8; 32],
    used_at: Timestamp,
    password_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let statement = client
        .prepare_cached(
            "UPDATE admin_sessions SET used_at = greatest(used_at, $2), password_at = coalesce($3, password_at) WHERE token_hash = $1",
        )
        .await?;
    client.execute(&statement, &[&token_hash.as_slice(), &micros(used_at), &password_at.map(micros)]).await?;
    Ok(())
}

pub(super) async fn end(client: &Object, token_hash: [u8; 32]) -> Result<(), StoreError> {
    let statement = client.prepare_cached("DELETE FROM admin_sessions WHERE token_hash = $1").await?;
    client.execute(&statement, &[&token_hash.as_slice()]).await?;
    Ok(())
}
