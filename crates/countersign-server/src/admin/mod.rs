//! The admin site at `/admin/`: made on the server, complete without scripts, and under a policy
//! that forbids them.
//!
//! One file a page, with its template of the same name. [`gate`] lets nobody in but staff, and
//! takes no form that is not ours; [`rules`] says who may do what.

mod access;
mod audit;
mod audit_csv;
mod bulk;
mod chart;
mod csv;
mod dashboard;
mod fault;
mod field;
mod first_user;
mod forms;
mod frame;
mod gate;
mod groups;
mod keys;
mod listing;
mod permissions;
mod person;
mod picker;
mod rules;
mod sessions;
mod sign_in;
pub(crate) mod style;
mod user_add;
mod user_edit;
mod user_password;
mod users;
mod users_csv;
mod why;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get, post};
use countersign::clock::{Clock, OsRandom, Random, SystemClock};
use countersign::http::origin::Origin;
use countersign::store::StoreError;
use countersign::store::admin::{AdminError, AdminStore, PermissionText};
use countersign::{Auth, Settings};
use jiff::Timestamp;

use crate::config::Config;
use crate::operate::Operator;
use crate::record::Recorder;
use crate::world::World;
use first_user::FirstUser;

/// The admin site.
#[derive(Clone)]
pub(crate) struct Admin(Arc<Inner>);

/// What its pages share.
pub(crate) struct Inner {
    auth: Auth,
    store: Arc<dyn AdminStore>,
    config: Config,
    settings: Settings,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    origin: Origin,
    https: bool,
    limits: Limits,
    first_user: FirstUser,
    started: Timestamp,
}

/// How long things may last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A session without a request.
    pub(crate) idle: Duration,
    /// A session at most.
    pub(crate) absolute: Duration,
    /// The sending of a form.
    pub(crate) body: Duration,
    /// A user's session without a refresh, to tell why it ended.
    pub(crate) session_idle: Duration,
}

impl Admin {
    /// The site of this server.
    ///
    /// # Errors
    /// When the store cannot say whether there is a superuser, or which permissions there are.
    pub(crate) async fn new(
        auth: Auth,
        store: Arc<dyn AdminStore>,
        config: Config,
        settings: Settings,
        recorder: Recorder,
        limits: Limits,
    ) -> Result<Self, StoreError> {
        let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) =
            (Arc::new(SystemClock), Arc::new(OsRandom));
        let origin = Origin::of(&settings.public_url).map_err(StoreError::failed)?;
        let first_user = FirstUser::new(&*store, &*random).await?;
        let https = settings.public_url.scheme() == "https";
        let started = clock.now();
        let inner = Inner {
            auth,
            store,
            config,
            settings,
            recorder,
            clock,
            random,
            origin,
            https,
            limits,
            first_user,
            started,
        };
        let admin = Self(Arc::new(inner));
        admin.add_permissions().await?;
        Ok(admin)
    }

    /// Where the first superuser can be made, while there is none.
    pub(crate) fn first_user_link(&self) -> Option<String> {
        self.first_user.path().map(|path| format!("{}{path}", self.origin))
    }

    /// Every page.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/admin", get(async || Redirect::permanent("/admin/")))
            .route("/admin/", get(dashboard::dashboard))
            .route("/admin/style.css", get(style::style))
            .route("/admin/icon.svg", get(style::icon))
            .route("/admin/sign-in", get(sign_in::form).post(sign_in::sign_in))
            .route("/admin/sign-out", post(sign_in::sign_out))
            .route("/admin/first/{token}", get(first_user::form).post(first_user::make))
            .route("/admin/users/", get(users::list))
            .route("/admin/users.csv", get(users_csv::export))
            .route("/admin/users/act", post(bulk::act))
            .route("/admin/users/add", get(user_add::form).post(user_add::add))
            .route("/admin/users/{id}/", get(user_edit::form).post(user_edit::save))
            .route("/admin/users/{id}/access", get(access::form).post(access::save))
            .route("/admin/users/{id}/password", get(user_password::form).post(user_password::set))
            .route("/admin/groups/", get(groups::list))
            .route("/admin/groups/add", get(groups::new).post(groups::add))
            .route("/admin/groups/{id}/", get(groups::form).post(groups::save))
            .route("/admin/groups/{id}/delete", post(groups::delete))
            .route("/admin/permissions/", get(permissions::list).post(permissions::add))
            .route("/admin/permissions/{id}/", get(permissions::form).post(permissions::save))
            .route("/admin/permissions/{id}/delete", post(permissions::delete))
            .route("/admin/sessions/", get(sessions::list))
            .route("/admin/sessions/end", post(sessions::end))
            .route("/admin/sessions/{id}/", get(sessions::show))
            .route("/admin/audit/", get(audit::list))
            .route("/admin/audit.csv", get(audit_csv::export))
            .route("/admin/keys/", get(keys::list))
            .route("/admin/keys/rotate", post(keys::rotate))
            .route("/admin/keys/{id}/retire", post(keys::retire))
            // The way that people type.
            .route("/admin/users", get(async || Redirect::permanent("/admin/users/")))
            .route("/admin/groups", get(async || Redirect::permanent("/admin/groups/")))
            .route("/admin/permissions", get(async || Redirect::permanent("/admin/permissions/")))
            .route("/admin/sessions", get(async || Redirect::permanent("/admin/sessions/")))
            .route("/admin/audit", get(async || Redirect::permanent("/admin/audit/")))
            .route("/admin/keys", get(async || Redirect::permanent("/admin/keys/")))
            .route("/admin/{*rest}", any(fault::not_found))
            .method_not_allowed_fallback(fault::method_not_allowed)
            .with_state(self.clone())
    }

    /// What commands work on.
    fn world(&self) -> World<'_> {
        World { config: &self.config, store: self.store.clone() }
    }

    /// The permissions that the pages ask for, so that they can be given.
    async fn add_permissions(&self) -> Result<(), StoreError> {
        let there = self.store.permissions().await?;
        let server = Operator::server(&*self.store, self.clock.now());
        for (_, app, codename, name) in rules::Permit::ALL {
            if there.iter().any(|row| row.text.app == app && row.text.codename == codename) {
                continue;
            }
            let text = PermissionText {
                app: app.to_owned(),
                codename: codename.to_owned(),
                name: name.to_owned(),
            };
            match server.save_permission(None, &text).await {
                // Another node was quicker.
                Ok(_) | Err(AdminError::NameTaken) => {}
                Err(AdminError::Store(error)) => return Err(error),
                Err(error) => return Err(StoreError::failed(error)),
            }
        }
        Ok(())
    }
}

impl Deref for Admin {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A handler's answer: a page, or why there is none.
type Answer = Result<Response, fault::Fault>;

/// With one more `Set-Cookie`.
fn with_cookie(response: impl IntoResponse, cookie: axum::http::HeaderValue) -> Response {
    let mut response = response.into_response();
    response.headers_mut().append(axum::http::header::SET_COOKIE, cookie);
    response
}
