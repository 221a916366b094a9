//! The operator who is signed in.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use countersign::store::admin::AdminSession;
use countersign::user::User;
use jiff::Timestamp;

use super::token::{SESSION_COOKIE, Token};
use crate::admin::kit::frame::Frame;
use crate::admin::kit::page_error::PageError;
use crate::admin::rules::{Permit, may};
use crate::admin::site::Admin;

/// The operator who is signed in, with a session that still counts.
#[derive(Debug)]
pub(crate) struct Staff {
    pub(crate) user: User,
    pub(super) session: AdminSession,
    pub(super) token: Token,
}

impl Staff {
    /// What every form of this session carries.
    pub(crate) fn csrf(&self) -> String {
        self.token.csrf()
    }

    /// The frame of a page in this section, `/admin/users/` and the like.
    pub(crate) fn frame(&self, section: &str, title: impl Into<String>) -> Frame {
        Frame::new(&self.user, self.csrf(), section, title)
    }

    /// Refuses an operator who may not do this.
    ///
    /// # Errors
    /// A page that names the permission.
    pub(crate) fn needs(&self, permit: Permit) -> Result<(), PageError> {
        if may(&self.user, permit) {
            return Ok(());
        }
        Err(PageError::forbidden(format!(
            "This needs the permission {}, which you do not have. Ask a superuser for it.",
            permit.name()
        )))
    }

    /// Whether the operator proved who they are so lately that dangerous things may be done without
    /// asking again.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        !is_older(self.session.password_at, now, PASSWORD_LASTS)
    }

    /// What the session is known by in the store.
    pub(crate) fn token_hash(&self) -> [u8; 32] {
        self.session.token_hash
    }
}

impl FromRequestParts<Admin> for Staff {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, PageError> {
        let here = parts.uri.path_and_query().map_or("/admin/", |here| here.as_str());
        let next = if parts.method.is_safe() { here } else { parts.uri.path() };
        let Some(token) = Token::of(admin, &parts.headers, SESSION_COOKIE) else {
            return Err(PageError::SignedOut(next.to_owned()));
        };
        let Some(session) = admin.store.admin_session(token.hash()).await? else {
            return Err(PageError::SignedOut(next.to_owned()));
        };
        let now = admin.clock.now();
        let user = admin
            .store
            .user_by_id(session.user)
            .await?
            .filter(|user| user.is_active && user.is_staff);
        let (Some(user), false) = (
            user,
            is_older(session.used_at, now, admin.limits.idle)
                || is_older(session.created_at, now, admin.limits.absolute),
        ) else {
            admin.store.end_admin_session(session.token_hash).await?;
            return Err(PageError::SignedOut(next.to_owned()));
        };
        if is_older(session.used_at, now, NOTED_EVERY) {
            admin.store.touch_admin_session(session.token_hash, now).await?;
        }
        Ok(Self { user, session, token })
    }
}

/// Whether more than `most` lies between them.
fn is_older(then: Timestamp, now: Timestamp, most: Duration) -> bool {
    now.duration_since(then)
        > jiff::SignedDuration::try_from(most).unwrap_or(jiff::SignedDuration::MAX)
}

/// How long what was proved lets dangerous things be done.
const PASSWORD_LASTS: Duration = Duration::from_secs(10 * 60);

/// How often at most the store notes that a session is used.
const NOTED_EVERY: Duration = Duration::from_secs(30);
