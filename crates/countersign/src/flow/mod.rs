//! The flows: one file a feature, each with its route, its request and answer, its policy in the
//! order of the specification, and its errors.

mod csrf;
mod deletion;
mod device_refresh;
mod device_start;
mod discovery;
mod email_change;
mod email_verify;
mod export;
mod factors;
mod invitation;
mod jwks;
mod login;
mod login_code;
mod login_factor;
mod login_passkey;
mod logout;
mod logout_all;
mod openapi;
mod passkeys;
mod password;
mod password_reset;
mod profile;
mod refresh;
mod register;
mod related_origins;
mod revocations;
mod session;
mod sessions;
mod step_up;
mod tickets;
mod totp;
mod undo;
mod verify;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::map_request;
use axum::response::Response;
use axum::routing::{self, MethodRouter, get};

use crate::auth::Auth;
use crate::http::authenticated::{Authenticated, PROFILE};
use crate::http::cors::Cors;
use crate::http::device::DEVICE_REFRESH;
use crate::http::fields::read_on;
use crate::http::to_its_end::ToItsEnd;
use crate::http::{Code, Problem, method_not_allowed, not_found};

impl Auth {
    /// The endpoints: everything below the base path, and `/.well-known/jwks.json`,
    /// `/.well-known/revocations`, `/.well-known/openid-configuration`,
    /// `/.well-known/oauth-authorization-server` and `/.well-known/webauthn`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::Router;
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let app: Router = Router::new().merge(auth.routes());
    /// # let (status, keys) = world::get(&app, "/.well-known/jwks.json", None).await;
    /// # assert!(status == 200 && keys.contains("Ed25519"));
    /// # });
    /// ```
    pub fn routes(&self) -> Router {
        self.same_origin_routes().layer((map_request(read_on), Cors::of_endpoints(self)))
    }

    /// The same endpoints without CORS, for whoever sees to it that a request with an `Origin`
    /// header goes to [`routes`](Self::routes), and adds `Vary: origin` to the answers of these:
    /// most requests then pass two layers less. The second is [`Drained`](crate::http::Drained):
    /// put it around bodies yourself.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::Router;
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// // Every page is served from this origin: no cross-origin request should be answered.
    /// let app: Router = auth.same_origin_routes();
    /// # assert_eq!(world::get(&app, "/accounts/profile", None).await.0, 401);
    /// # });
    /// ```
    pub fn same_origin_routes(&self) -> Router {
        routes(self)
    }

    /// The endpoints below the base path alone: for several [`Auth`] in one router, which share the
    /// keys of one store, and so one `/.well-known` ([`well_known_routes`](Self::well_known_routes)
    /// of any of them).
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::Router;
    /// use countersign::Auth;
    ///
    /// fn both(acme: &Auth, other: &Auth) -> Router {
    ///     // Each has a base path of its own: /acme/accounts, /other/accounts.
    ///     acme.account_routes().merge(other.account_routes()).merge(acme.well_known_routes())
    /// }
    /// # world::run(async |world| {
    /// # let app = world.auth.account_routes();
    /// # assert_eq!(world::get(&app, "/accounts/profile", None).await.0, 401);
    /// # assert_eq!(world::get(&app, "/.well-known/jwks.json", None).await.0, 404);
    /// # });
    /// ```
    pub fn account_routes(&self) -> Router {
        below_base(self).layer((map_request(read_on), Cors::of_endpoints(self)))
    }

    /// What is below `/.well-known` alone.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let app: axum::Router = auth.well_known_routes();
    /// # assert_eq!(world::get(&app, "/.well-known/jwks.json", None).await.0, 200);
    /// # });
    /// ```
    pub fn well_known_routes(&self) -> Router {
        well_known(self).layer((map_request(read_on), Cors::of_endpoints(self)))
    }

    /// The OpenAPI document of [`routes`](Self::routes).
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let document = auth.openapi();
    /// assert!(document.paths.paths.contains_key("/accounts/login"));
    /// # });
    /// ```
    pub fn openapi(&self) -> utoipa::openapi::OpenApi {
        self.openapi_with(utoipa::openapi::OpenApi::default())
    }

    /// The same with operations of the app's own. What follows from what they say is added to them
    /// as to ours: where they need the security scheme `bearer`, how that is refused, and the
    /// header `X-CSRFTOKEN`; where they read a body, how that is refused; to every status from 400
    /// on, the shape of a problem document.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use utoipa::OpenApi;
    ///
    /// #[utoipa::path(delete, path = "/orders/{id}", params(("id" = u64, Path)),
    ///     responses((status = 204, description = "It is gone")), security(("bearer" = [])))]
    /// async fn delete_order() {}
    ///
    /// #[derive(OpenApi)]
    /// #[openapi(paths(delete_order))]
    /// struct Orders;
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let document = serde_json::to_value(auth.openapi_with(Orders::openapi())).unwrap();
    /// let order = &document["paths"]["/orders/{id}"]["delete"];
    /// assert_eq!(order["parameters"][1]["name"], "X-CSRFTOKEN");
    /// assert!(order["responses"].get("401").is_some());
    /// # });
    /// ```
    pub fn openapi_with(&self, own: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
        openapi::openapi(self, own)
    }
}

/// Every endpoint of the contract, under one table. Each takes a trailing slash, as Django's
/// clients send it.
fn routes(auth: &Auth) -> Router {
    below_base(auth).merge(well_known(auth))
}

fn well_known(auth: &Auth) -> Router {
    let table = [
        ("/.well-known/openid-configuration".to_owned(), get(discovery::openid_configuration)),
        (
            "/.well-known/oauth-authorization-server".to_owned(),
            get(discovery::oauth_authorization_server),
        ),
        ("/.well-known/jwks.json".to_owned(), get(jwks::jwks)),
        ("/.well-known/revocations".to_owned(), get(revocations::revocations)),
    ];
    let shared = ("/.well-known/webauthn".to_owned(), get(related_origins::related_origins));
    let shared = Some(shared).filter(|_| !auth.related_origins().is_empty());
    with_slashes(table.into_iter().chain(shared))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(auth.clone())
}

/// Each path, and the same with a slash behind it.
fn with_slashes(table: impl IntoIterator<Item = (String, MethodRouter<Auth>)>) -> Router<Auth> {
    table.into_iter().fold(Router::new(), |routes, (path, route)| {
        let with_slash = format!("{path}/");
        routes.route(&path, route.clone()).route(&with_slash, route)
    })
}

fn below_base(auth: &Auth) -> Router {
    // Each path whole: a nested router would take every request's URI apart and put it together
    // again.
    let path = |rest: &str| format!("{}{rest}", auth.settings().base_path);
    let profile = get(profile::profile);
    // The rows of an app's own table are the app's to change.
    let profile = if auth.users().owns_profiles() {
        profile.patch(Whole(profile::change_profile))
    } else {
        profile
    };
    let profile = if auth.users().keeps_accounts() {
        profile.delete(Whole(deletion::delete_account))
    } else {
        profile
    };
    let private = |route: MethodRouter<Auth>| route.fallback(no_such_method);
    let table = [
        (path("/login"), post(login::login)),
        (path("/login/factor"), post(login_factor::login_factor)),
        (path("/refresh"), post(refresh::refresh)),
        (path("/device/start"), post(device_start::device_start)),
        (path(DEVICE_REFRESH), post(device_refresh::device_refresh)),
        (path("/csrf"), get(csrf::csrf)),
        (path("/session"), get(session::session)),
        (path("/logout"), post(logout::logout)),
        (path("/logout-all"), private(post(logout_all::logout_all))),
        (path(PROFILE), private(profile)),
        (path("/profile/export"), private(get(export::export))),
        (path("/password"), private(post(password::change_password))),
        (path("/sessions"), private(get(sessions::sessions))),
        (
            path("/sessions/{id}"),
            private(delete(sessions::end_session).patch(Whole(sessions::name_session))),
        ),
        (path("/step-up"), private(post(step_up::step_up))),
        (path("/factors"), private(get(factors::factors))),
        (path("/factors/totp"), private(post(totp::offer_totp))),
        (path("/factors/totp/confirm"), private(post(totp::confirm_totp))),
        (path("/factors/recovery-codes"), private(post(factors::new_recovery_codes))),
        (
            path("/factors/{id}"),
            private(delete(factors::remove_factor).patch(Whole(factors::name_factor))),
        ),
        (path("/tickets"), private(post(tickets::new_ticket))),
        (path("/verify"), private(get(verify::verify))),
    ];
    let has_passkeys = auth.passkeys().is_some();
    let accounts = [
        (has_passkeys, path("/passkeys/register/begin"), private(post(passkeys::begin_passkey))),
        (has_passkeys, path("/passkeys/register/finish"), private(post(passkeys::finish_passkey))),
        (has_passkeys, path("/login/passkey/begin"), post(login_passkey::begin_passkey_login)),
        (has_passkeys, path("/login/passkey/finish"), post(login_passkey::finish_passkey_login)),
        (auth.can_register(), path("/register"), post(register::register)),
        (auth.can_prove(), path("/email/verify"), post(email_verify::verify_email)),
        (auth.can_prove(), path("/email/verify/resend"), post(email_verify::resend)),
        (auth.can_prove(), path("/email/change"), private(post(email_change::change_email))),
        (auth.can_prove(), path("/email/change/confirm"), post(email_change::confirm_change)),
        (auth.can_prove(), path("/undo"), post(undo::undo)),
        (auth.can_send_codes(), path("/login/code"), post(login_code::request_code)),
        (auth.can_send_codes(), path("/login/code/confirm"), post(login_code::confirm_code)),
        (auth.can_mail(), path("/password/reset"), post(password_reset::request_reset)),
        (auth.can_mail(), path("/password/reset/confirm"), post(password_reset::confirm_reset)),
    ];
    let accounts = accounts.into_iter().filter(|(is_on, ..)| *is_on);
    let table = table.into_iter().chain(accounts.map(|(_, path, route)| (path, route)));
    with_slashes(table)
        .route(&path("/{*unknown}"), routing::any(not_found))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(auth.clone())
}

/// The answer to a method that a private path has not: who asks is asked first, as in Django REST
/// framework.
async fn no_such_method(_: Authenticated) -> Problem {
    Problem::new(Code::MethodNotAllowed)
}

fn post<H: Handler<T, Auth>, T: 'static>(handler: H) -> MethodRouter<Auth> {
    routing::post(Whole(handler))
}

fn delete<H: Handler<T, Auth>, T: 'static>(handler: H) -> MethodRouter<Auth> {
    routing::delete(Whole(handler))
}

/// A handler of what writes: the whole of it is done, though the client goes away meanwhile.
#[derive(Clone)]
struct Whole<H>(H);

impl<T, H: Handler<T, Auth>> Handler<T, Auth> for Whole<H> {
    type Future = ToItsEnd<Response>;

    fn call(self, request: Request, auth: Auth) -> ToItsEnd<Response> {
        ToItsEnd::new(&auth, self.0.call(request, auth.clone()))
    }
}
