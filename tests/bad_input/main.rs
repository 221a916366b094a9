//! Everything that clients can get wrong, at every endpoint: the exact status and code of the
//! contract, in the one shape of all errors, from a server that goes on.

mod authorization;
mod bent;
mod body;
mod cookies;
mod origins;
mod paths;
mod unreadable;

use countersign_e2e::{PASSWORD, Request, TestServer};

/// An endpoint of the contract.
pub(crate) struct Endpoint {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) body: Body,
    /// What the request that [`Endpoint::request`] makes is answered when nothing is wrong with it.
    pub(crate) good: u16,
}

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anyone: `Authorization` is not even read.
    Public,
    /// Who has an access token.
    Bearer,
    /// Who has any credential of the session: logging out.
    Any,
}

/// Whether a body is read, with one that is well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// None is read.
    None,
    /// It may be left out.
    Optional(&'static str),
    /// There must be one.
    Required(&'static str),
}

impl Endpoint {
    /// A request with a body where one is taken, and without credentials.
    pub(crate) fn request(&self, world: &TestServer) -> Request {
        let request = world.request(self.method, self.path);
        match self.body {
            Body::None => request,
            Body::Optional(json) | Body::Required(json) => request.body("application/json", json),
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

const fn endpoint(
    method: &'static str,
    path: &'static str,
    access: Access,
    body: Body,
    good: u16,
) -> Endpoint {
    Endpoint { method, path, access, body, good }
}

/// Every endpoint there is.
pub(crate) const ENDPOINTS: [Endpoint; 48] = [
    endpoint(
        "POST",
        "/accounts/login",
        Access::Public,
        Body::Required(r#"{"username":"alice","password":"correct horse battery staple"}"#),
        200,
    ),
    endpoint(
        "POST",
        "/accounts/login/factor",
        Access::Public,
        Body::Required(r#"{"pending_token":"a.b.c","code":"123456"}"#),
        401,
    ),
    endpoint(
        "POST",
        "/accounts/step-up",
        Access::Bearer,
        Body::Required(r#"{"password":"not the password"}"#),
        400,
    ),
    endpoint("GET", "/accounts/factors", Access::Bearer, Body::None, 200),
    endpoint("POST", "/accounts/factors/totp", Access::Bearer, Body::Optional("{}"), 201),
    endpoint(
        "POST",
        "/accounts/factors/totp/confirm",
        Access::Bearer,
        Body::Required(r#"{"code":"no code"}"#),
        400,
    ),
    endpoint("POST", "/accounts/login/passkey/begin", Access::Public, Body::Optional("{}"), 200),
    endpoint(
        "POST",
        "/accounts/login/passkey/finish",
        Access::Public,
        Body::Required(r#"{"passkey":{"id":"AQID"}}"#),
        401,
    ),
    endpoint("POST", "/accounts/passkeys/register/begin", Access::Bearer, Body::None, 200),
    endpoint(
        "POST",
        "/accounts/passkeys/register/finish",
        Access::Bearer,
        Body::Required(r#"{"passkey":{"id":"AQID"}}"#),
        400,
    ),
    endpoint("POST", "/accounts/factors/recovery-codes", Access::Bearer, Body::None, 409),
    endpoint(
        "PATCH",
        "/accounts/factors/0000000000000001",
        Access::Bearer,
        Body::Required(r#"{"name":"a phone"}"#),
        404,
    ),
    endpoint("DELETE", "/accounts/factors/0000000000000001", Access::Bearer, Body::None, 404),
    endpoint("POST", "/accounts/refresh", Access::Public, Body::Optional("{}"), 401),
    // Beside it `/accounts/device/refresh`, which refuses nothing: see `flow/device.rs`.
    endpoint("POST", "/accounts/device/start", Access::Public, Body::None, 401),
    endpoint("GET", "/accounts/csrf", Access::Public, Body::None, 401),
    endpoint("GET", "/accounts/session", Access::Public, Body::None, 200),
    endpoint("POST", "/accounts/logout", Access::Any, Body::Optional("{}"), 204),
    endpoint(
        "POST",
        "/accounts/logout-all",
        Access::Bearer,
        Body::Optional(r#"{"keep_current":true}"#),
        204,
    ),
    endpoint("POST", "/accounts/tickets", Access::Bearer, Body::Optional(r#"{"for":"chat"}"#), 200),
    endpoint("GET", "/accounts/profile", Access::Bearer, Body::None, 200),
    endpoint(
        "PATCH",
        "/accounts/profile",
        Access::Bearer,
        Body::Required(r#"{"first_name":"A"}"#),
        200,
    ),
    endpoint(
        "DELETE",
        "/accounts/profile",
        Access::Bearer,
        Body::Required(r#"{"password":"not the right one"}"#),
        400,
    ),
    endpoint("GET", "/accounts/profile/export", Access::Bearer, Body::None, 200),
    endpoint(
        "POST",
        "/accounts/password",
        Access::Bearer,
        Body::Required(
            r#"{"old_password":"not the old one","new_password":"quite another phrase"}"#,
        ),
        400,
    ),
    endpoint(
        "POST",
        "/accounts/password/reset",
        Access::Public,
        Body::Required(r#"{"username":"nobody"}"#),
        202,
    ),
    endpoint(
        "POST",
        "/accounts/password/reset/confirm",
        Access::Public,
        Body::Required(
            r#"{"token":"AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA","new_password":"another phrase"}"#,
        ),
        400,
    ),
    endpoint(
        "POST",
        "/accounts/register",
        Access::Public,
        Body::Required(
            r#"{"username":"alice","email":"a@example.org","password":"quite another phrase"}"#,
        ),
        400,
    ),
    endpoint(
        "POST",
        "/accounts/email/verify",
        Access::Public,
        Body::Required(r#"{"token":"AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA"}"#),
        400,
    ),
    endpoint(
        "POST",
        "/accounts/email/verify/resend",
        Access::Public,
        Body::Required(r#"{"email":"nobody@example.com"}"#),
        202,
    ),
    endpoint(
        "POST",
        "/accounts/email/change",
        Access::Bearer,
        Body::Required(r#"{"email":"a@example.org","password":"not the password"}"#),
        400,
    ),
    endpoint(
        "POST",
        "/accounts/email/change/confirm",
        Access::Public,
        Body::Required(r#"{"token":"AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA"}"#),
        400,
    ),
    endpoint(
        "POST",
        "/accounts/undo",
        Access::Public,
        Body::Required(r#"{"token":"AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA"}"#),
        400,
    ),
    endpoint(
        "POST",
        "/accounts/login/code",
        Access::Public,
        Body::Required(r#"{"email":"nobody@example.com"}"#),
        202,
    ),
    endpoint(
        "POST",
        "/accounts/login/code/confirm",
        Access::Public,
        Body::Required(r#"{"token":"AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA"}"#),
        400,
    ),
    endpoint("GET", "/accounts/sessions", Access::Bearer, Body::None, 200),
    endpoint(
        "PATCH",
        "/accounts/sessions/0000000000000001",
        Access::Bearer,
        Body::Required(r#"{"device_name":"a phone"}"#),
        404,
    ),
    endpoint("DELETE", "/accounts/sessions/0000000000000001", Access::Bearer, Body::None, 404),
    endpoint("GET", "/accounts/verify", Access::Bearer, Body::None, 204),
    endpoint("GET", "/.well-known/openid-configuration", Access::Public, Body::None, 200),
    endpoint("GET", "/.well-known/oauth-authorization-server", Access::Public, Body::None, 200),
    endpoint("GET", "/.well-known/jwks.json", Access::Public, Body::None, 200),
    endpoint("GET", "/.well-known/revocations", Access::Public, Body::None, 200),
    endpoint("GET", "/healthz", Access::Public, Body::None, 200),
    endpoint("GET", "/readyz", Access::Public, Body::None, 200),
    endpoint("GET", "/openapi.json", Access::Public, Body::None, 200),
    endpoint("GET", "/docs", Access::Public, Body::None, 200),
    // Looked up by resource servers with the cursor of their last list.
    endpoint(
        "GET",
        "/.well-known/revocations?since=nothing-we-gave-out",
        Access::Public,
        Body::None,
        200,
    ),
];

/// A world in which a thousand bad requests come from one address and about one account, and only
/// their badness shall count.
pub(crate) fn world() -> TestServer {
    let world = unthrottled().set("demo", "off").start();
    world.user("alice");
    world
}

pub(crate) fn unthrottled() -> countersign_e2e::TestServerBuilder {
    TestServer::builder()
        .set("throttle_account_attempts", "0")
        .set("throttle_address_attempts", "0")
        .set("throttle_session_refreshes", "0")
        .set("registration", "open")
        .set("login_code", "on")
        .set("mail_url", "console:")
        .set("asks_per_address", "0")
        .set("asks_per_hour", "0")
}

/// Asserts that the server has come through: it answers, lets people in, and has nothing in its log
/// to be ashamed of.
#[track_caller]
pub(crate) fn assert_unharmed(mut world: TestServer) {
    world.get("/healthz").expect(200);
    let mut browser = world.browser();
    browser.login_with("alice", PASSWORD).expect(200);
    browser.get("/accounts/profile").expect(200);
    assert_eq!(world.stop(), Some(0));
    let log = world.log();
    for word in ["panicked", "a request failed", "\"ERROR\""] {
        assert!(!log.contains(word), "{word:?} in the log");
    }
}
