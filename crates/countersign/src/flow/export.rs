//! `GET /accounts/profile/export`: everything that is kept about a user, for the user.
//!
//! It is written as it is read, page by page, so that a long history needs no more memory than a
//! short one. What opens something is not in it: no hash, no token, no link.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use countersign_verify::UserId;
use futures_util::stream;
use jiff::Timestamp;
use serde::Serialize;

use crate::auth::Auth;
use crate::http::answer::Download;
use crate::http::authenticated::Authenticated;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::session::{DeviceName, SessionId, Transport};
use crate::store::admin::{AuditRow, Who};
use crate::store::{Kept, KeptKind, KeptPlace};
use crate::user::{CachedUser, User, fold_address};

/// What comes back.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it is written in pieces, and described as a whole")]
pub(crate) struct ExportResponse {
    #[schema(value_type = String, format = DateTime)]
    exported_at: Timestamp,
    user: User,
    /// How many recovery codes are left.
    recovery_codes_left: usize,
    /// Sessions, those that ended too, the oldest first.
    sessions: Vec<ExportedSession>,
    /// Sessions of the admin site.
    admin_sessions: Vec<ExportedAdminSession>,
    /// Second factors, without what they are proved with.
    factors: Vec<ExportedFactor>,
    /// One-time links and codes that were made for the user, without what opens them.
    links: Vec<ExportedLink>,
    /// Mails that wait, and mails of the last time.
    mails: Vec<ExportedMail>,
    /// Lines of the audit log about the user, the oldest first.
    audit: Vec<ExportedLine>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ExportedSession {
    #[schema(value_type = String, example = "5f0c9e1d2b3a4857")]
    id: SessionId,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    ended_at: Option<Timestamp>,
    #[schema(required)]
    reason: Option<&'static str>,
    transport: Transport,
    user_agent: String,
    #[schema(value_type = Option<String>, required)]
    device_name: Option<DeviceName>,
    device_bound: bool,
    #[schema(value_type = Option<String>, required)]
    ip: Option<IpAddr>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ExportedAdminSession {
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    user_agent: String,
    #[schema(value_type = Option<String>, required)]
    ip: Option<IpAddr>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ExportedFactor {
    /// What it is: `totp` for an authenticator app, `passkey`.
    #[schema(example = "totp")]
    kind: &'static str,
    #[schema(value_type = Option<String>, required)]
    name: Option<DeviceName>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_used_at: Option<Timestamp>,
    /// Whether it is asked for. One that was not confirmed is asked of nobody, and soon forgotten.
    is_enrolled: bool,
    /// Of a passkey: whether its provider has a copy of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    is_backed_up: Option<bool>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ExportedLink {
    /// What it is for: `verify`, `reset`, `code`, `change`, `undo` or `invitation`.
    purpose: &'static str,
    /// The address that it was asked for.
    address: String,
    /// The address that is to become the user's.
    #[schema(required)]
    new_address: Option<String>,
    /// The address that was the user's.
    #[schema(required)]
    former_address: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// Whether it was used, or a newer one took its place.
    is_used: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ExportedMail {
    address: String,
    /// `waiting`, `sent`, `failed`, or `void`: not sent on purpose.
    state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    queued_at: Timestamp,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ExportedLine {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What happened.
    #[schema(example = "login")]
    kind: String,
    /// Who did it: `you` or `operator`; null where nobody knows.
    #[schema(required)]
    by: Option<&'static str>,
    #[schema(value_type = Option<String>, required)]
    session: Option<SessionId>,
    /// Where from; not of operators.
    #[schema(value_type = Option<String>, required)]
    ip: Option<IpAddr>,
    detail: String,
}

#[utoipa::path(
    get,
    path = "/accounts/profile/export",
    tag = "accounts",
    summary = "Download everything that is kept about the user",
    responses(
        (status = 200, description = "Everything, but for what opens something. It is written as \
            it is read: an answer that breaks off is not whole", body = ExportResponse),
        (status = 401, description = "not_authenticated, token_invalid, token_expired, \
            session_revoked, user_inactive, recent_login_required"),
        (status = 429, description = "throttled"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn export(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
) -> Result<Download, Problem> {
    who.logged_in_lately(&auth)?;
    auth.may_ask(&peer)?;
    let id = who.user().id();
    let user = auth.users().by_id(id).await?.filter(|user| user.is_active());
    let user = user.ok_or_else(|| Problem::new(Code::UserInactive))?;
    tracing::info!(user = %id, ip = %peer.ip, "a user exports what is kept about them");
    let export = Export { auth, who, id, user: Arc::new(user), next: Next::Head };
    let pages = stream::try_unfold(export, |export| async move { export.step().await });
    Ok(Download::new("account.json", pages))
}

/// An export under way.
struct Export {
    auth: Auth,
    who: Authenticated,
    id: UserId,
    user: Arc<CachedUser>,
    next: Next,
}

enum Next {
    Head,
    /// The list of this number, behind this place.
    /// Which list, after which row, and whether something of it is written.
    Rows(usize, Option<KeptPlace>, bool),
    Nothing,
}

impl Export {
    /// The next piece of the text.
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, Problem> {
        // What the session may not have any more, a slow reader does not get.
        self.who.still(&self.auth)?;
        let text = match self.next {
            Next::Head => {
                self.next = Next::Rows(0, None, false);
                let at = serde_json::to_string(&self.auth.now()).map_err(|error| broken(&error))?;
                let left = self.auth.store().factors_of(self.id).await?.recovery_codes.len();
                let user = self.user.json();
                format!("{{\"exported_at\":{at},\"user\":{user},\"recovery_codes_left\":{left}")
            }
            Next::Rows(list, after, has_begun) => match LISTS.get(list) {
                Some((name, kind)) => self.rows(list, name, *kind, after, has_begun).await?,
                None => {
                    self.next = Next::Nothing;
                    "}\n".to_owned()
                }
            },
            Next::Nothing => return Ok(None),
        };
        Ok(Some((text.into(), self)))
    }

    async fn rows(
        &mut self,
        list: usize,
        name: &str,
        kind: KeptKind,
        after: Option<KeptPlace>,
        mut has_begun: bool,
    ) -> Result<String, Problem> {
        let page = self.auth.store().kept(self.id, kind, after, PAGE).await?;
        let mut text = if after.is_none() { format!(",\"{name}\":[") } else { String::new() };
        for (_, kept) in page.iter().filter(|(_, kept)| self.is_theirs(kept)) {
            if std::mem::replace(&mut has_begun, true) {
                text.push(',');
            }
            text.push_str(&self.written(kept)?);
        }
        self.next = match page.last() {
            Some((place, _)) if page.len() == PAGE as usize => {
                Next::Rows(list, Some(*place), has_begun)
            }
            _ => {
                text.push(']');
                Next::Rows(list + 1, None, false)
            }
        };
        Ok(text)
    }

    /// Whether the user may see it: links and mails to their own address, and to no other. A link
    /// to an address that they claim is there if nobody else has it, and would say so.
    fn is_theirs(&self, kept: &Kept) -> bool {
        let address = match kept {
            Kept::Token(token) => &token.address,
            Kept::Mail(mail) => &mail.address,
            _ => return true,
        };
        *address == fold_address(self.user.email())
    }

    fn written(&self, kept: &Kept) -> Result<String, Problem> {
        let written = match kept {
            Kept::Session(session) => serde_json::to_string(&ExportedSession {
                id: session.id,
                created_at: session.created_at,
                last_used_at: session.last_used_at,
                expires_at: session.expires_at,
                ended_at: session.revoked.map(|(at, _)| at),
                reason: session.revoked.map(|(_, reason)| reason.as_str()),
                transport: session.transport,
                user_agent: session.user_agent.clone(),
                device_name: session.device_name.clone(),
                device_bound: session.is_bound(),
                ip: session.ip,
            }),
            Kept::AdminSession(session) => serde_json::to_string(&ExportedAdminSession {
                created_at: session.created_at,
                last_used_at: session.used_at,
                user_agent: session.user_agent.clone(),
                ip: session.ip,
            }),
            Kept::Factor(factor) => serde_json::to_string(&ExportedFactor {
                kind: factor.kind.as_str(),
                name: factor.name.clone(),
                created_at: factor.created_at,
                last_used_at: factor.last_used_at,
                is_enrolled: factor.is_enrolled,
                is_backed_up: factor.is_backed_up,
            }),
            Kept::Token(token) => serde_json::to_string(&ExportedLink {
                purpose: token.purpose.as_str(),
                address: token.address.clone(),
                new_address: token.payload.new_address.clone(),
                former_address: token.payload.former_address.clone(),
                expires_at: token.expires_at,
                is_used: token.is_used,
            }),
            Kept::Mail(mail) => serde_json::to_string(&ExportedMail {
                address: mail.address.clone(),
                state: mail.state.as_str(),
                queued_at: mail.created_at,
            }),
            Kept::Line(row) => serde_json::to_string(&line(row, self.id)),
        };
        written.map_err(|error| broken(&error))
    }
}

/// Of what somebody else did, who they were and where they sat is theirs.
fn line(row: &AuditRow, user: UserId) -> ExportedLine {
    let line = &row.line;
    let by = line.actor.as_ref().map(|who| match who {
        Who::User(id) if *id == user => YOU,
        _ => "operator",
    });
    ExportedLine {
        at: line.at,
        kind: row.word.clone(),
        by,
        session: line.session,
        ip: line.ip.filter(|_| by.is_none_or(|by| by == YOU)),
        detail: line.detail.clone(),
    }
}

/// What is written here always can be.
fn broken(error: &serde_json::Error) -> Problem {
    tracing::error!(%error, "an export could not be written");
    Problem::new(Code::InternalError)
}

const LISTS: [(&str, KeptKind); 6] = [
    ("sessions", KeptKind::Session),
    ("admin_sessions", KeptKind::AdminSession),
    ("factors", KeptKind::Factor),
    ("links", KeptKind::Token),
    ("mails", KeptKind::Mail),
    ("audit", KeptKind::Line),
];

const YOU: &str = "you";

/// Rows that are read at a time.
const PAGE: u32 = 500;
