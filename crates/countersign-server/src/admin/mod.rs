//! The admin site at `/admin/`: made on the server, complete without scripts, and under a policy
//! that forbids them.
//!
//! [`pages`] has one file a page, with its template of the same name, made of what is in [`kit`].
//! [`gate`] lets nobody in but staff, and takes no form that is not ours; [`rules`] says who may do
//! what.

mod gate;
mod kit;
mod pages;
pub(crate) mod rules;
mod site;

use axum::Router;
use axum::response::Redirect;
use axum::routing::{any, get, post};
use countersign::store::StoreError;
use countersign::store::admin::{AdminError, PermissionText};
use countersign::web::origin::Origin;
use countersign::{Auth, Settings};

use crate::operate::Operator;
use crate::record::Recorder;
use crate::services::Services;
use kit::page_error;
use rules::Permit;
use site::Inner;
pub(crate) use site::{Admin, Limits};

impl Admin {
    /// The site of this server.
    ///
    /// # Errors
    /// When the store cannot say whether there is a superuser, or which permissions there are.
    pub(crate) async fn new(
        auth: Auth,
        services: Services,
        settings: Settings,
        recorder: Recorder,
        limits: Limits,
    ) -> Result<Self, StoreError> {
        let (store, clock, random) =
            (services.store.clone(), services.clock.clone(), services.random.clone());
        let origin = Origin::of(&settings.public_url).map_err(StoreError::failed)?;
        let first_user = pages::first_user::link(&*store, &*random).await?;
        let https = settings.public_url.scheme() == "https";
        let started = clock.now();
        let inner = Inner {
            auth,
            services,
            store,
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
        let admin = Self::of(inner);
        admin.add_permissions().await?;
        Ok(admin)
    }

    /// Every page.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/admin", get(async || Redirect::permanent("/admin/")))
            .route("/admin/", get(pages::dashboard::dashboard))
            .route("/admin/style.css", get(kit::style::style))
            .route("/admin/icon.svg", get(kit::style::icon))
            .route("/admin/sign-in", get(pages::sign_in::form).post(pages::sign_in::sign_in))
            .route("/admin/sign-in/factor", post(pages::sign_in::factor))
            .route("/admin/sign-in/passkey", post(pages::sign_in::passkey))
            .route("/admin/sign-out", post(pages::sign_in::sign_out))
            .route(
                "/admin/first/{token}",
                get(pages::first_user::form).post(pages::first_user::make),
            )
            .route("/admin/users/", get(pages::users::list))
            .route("/admin/users.csv", get(pages::users_csv::export))
            .route("/admin/users/act", post(pages::bulk::act))
            .route("/admin/users/add", get(pages::user_add::form).post(pages::user_add::add))
            .route(
                "/admin/users/invite",
                get(pages::user_invite::form).post(pages::user_invite::invite),
            )
            .route("/admin/users/{id}/mail", post(pages::user_mail::send))
            .route("/admin/users/{id}/", get(pages::user_edit::form).post(pages::user_edit::save))
            .route("/admin/users/{id}/access", get(pages::access::form).post(pages::access::save))
            .route(
                "/admin/users/{id}/password",
                get(pages::user_password::form).post(pages::user_password::set),
            )
            .route(
                "/admin/users/{id}/factors",
                get(pages::user_factors::show).post(pages::user_factors::reset),
            )
            .route("/admin/groups/", get(pages::groups::list))
            .route("/admin/groups/add", get(pages::groups::new).post(pages::groups::add))
            .route("/admin/groups/{id}/", get(pages::groups::form).post(pages::groups::save))
            .route("/admin/groups/{id}/delete", post(pages::groups::delete))
            .route(
                "/admin/permissions/",
                get(pages::permissions::list).post(pages::permissions::add),
            )
            .route(
                "/admin/permissions/{id}/",
                get(pages::permissions::form).post(pages::permissions::save),
            )
            .route("/admin/permissions/{id}/delete", post(pages::permissions::delete))
            .route("/admin/sessions/", get(pages::sessions::list))
            .route("/admin/sessions/end", post(pages::sessions::end))
            .route("/admin/sessions/{id}/", get(pages::sessions::show))
            .route("/admin/outbox/", get(pages::outbox::list))
            .route("/admin/outbox/act", post(pages::outbox::act))
            .route("/admin/outbox", get(async || Redirect::permanent("/admin/outbox/")))
            .route("/admin/audit/", get(pages::audit::list))
            .route("/admin/audit.csv", get(pages::audit_csv::export))
            .route("/admin/keys/", get(pages::keys::list))
            .route("/admin/keys/rotate", post(pages::keys::rotate))
            .route("/admin/keys/{id}/retire", post(pages::keys::retire))
            .route("/admin/tokens/", get(pages::tokens::list))
            .route("/admin/tokens/add", get(pages::tokens::form).post(pages::tokens::add))
            .route("/admin/tokens/{id}/revoke", post(pages::tokens::revoke))
            .route("/admin/hooks/", get(pages::hooks::list))
            .route("/admin/hooks/messages", get(pages::hooks::messages))
            .route("/admin/hooks/replay", post(pages::hooks::replay))
            // The way that people type.
            .route("/admin/users", get(async || Redirect::permanent("/admin/users/")))
            .route("/admin/groups", get(async || Redirect::permanent("/admin/groups/")))
            .route("/admin/permissions", get(async || Redirect::permanent("/admin/permissions/")))
            .route("/admin/sessions", get(async || Redirect::permanent("/admin/sessions/")))
            .route("/admin/audit", get(async || Redirect::permanent("/admin/audit/")))
            .route("/admin/keys", get(async || Redirect::permanent("/admin/keys/")))
            .route("/admin/tokens", get(async || Redirect::permanent("/admin/tokens/")))
            .route("/admin/hooks", get(async || Redirect::permanent("/admin/hooks/")))
            .route("/admin/{*rest}", any(page_error::not_found))
            .method_not_allowed_fallback(page_error::method_not_allowed)
            .with_state(self.clone())
    }

    /// The permissions that the pages ask for, so that they can be given.
    async fn add_permissions(&self) -> Result<(), StoreError> {
        let there = self.store.permissions().await?;
        let server = Operator::server(&*self.store, self.clock.now());
        for (_, app, codename, name) in Permit::ALL {
            if there.iter().any(|row| row.text.app == app && row.text.codename == codename) {
                continue;
            }
            let text = PermissionText {
                app: app.to_owned(),
                codename: codename.to_owned(),
                name: name.to_owned(),
            };
            match server.save_permission(None, &text, None).await {
                // Another node was quicker.
                Ok(_) | Err(AdminError::NameTaken) => {}
                Err(AdminError::Store(error)) => return Err(error),
                Err(error) => return Err(StoreError::failed(error)),
            }
        }
        Ok(())
    }
}
