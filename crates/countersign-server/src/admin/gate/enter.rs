//! The beginning of a session, and what the audit log says of comings and goings.

use axum::response::Response;
use countersign::http::Peer;
use countersign::store::CheckedRow;
use countersign::store::admin::{AdminSession, AuditKind, AuditLine, Who};
use countersign::user::UserId;

use super::token::{Token, path, session_cookie};
use crate::admin::kit::page::{redirect, with_cookie};
use crate::admin::kit::page_error::PageError;
use crate::admin::site::Admin;

/// Begins a session and goes on. `None` when the user's row is no longer as it was checked: then
/// nothing has begun.
pub(crate) async fn enter(
    admin: &Admin,
    user: UserId,
    checked: &CheckedRow,
    peer: &Peer,
    next: &str,
) -> Result<Option<Response>, PageError> {
    let (token, now) = (Token::draw(&*admin.random), admin.clock.now());
    let session = AdminSession {
        token_hash: token.hash(),
        user,
        created_at: now,
        used_at: now,
        password_at: now,
        ip: Some(peer.ip),
        user_agent: peer.user_agent.clone(),
    };
    // Strangers' guesses keep no operator out of the browser in which they signed in before. Asked
    // before the session begins on the password that was checked: so the device is known by that
    // one, not by its successor.
    let known = admin.auth.remember_device(user, peer, &path(admin)).await?;
    if !admin.store.begin_admin_session(&session, checked).await? {
        return Ok(None);
    }
    note(admin, AuditKind::AdminLogin, Some(user), peer);
    Ok(Some(with_cookie(with_cookie(redirect(next), session_cookie(admin, &token)), known)))
}

/// Leaves a line in the audit log and in the log stream.
pub(crate) fn note(admin: &Admin, kind: AuditKind, user: Option<UserId>, peer: &Peer) {
    let at = admin.clock.now();
    let actor =
        if kind == AuditKind::AdminLogin || kind == AuditKind::AdminLogout { user } else { None };
    let (actor, ip) = (actor.map(Who::User), Some(peer.ip));
    let line = AuditLine { at, kind, actor, user, session: None, ip, detail: String::new() };
    line.log();
    admin.recorder.note(line);
}
