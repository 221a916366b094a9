//! Second factors of users who live in a table of the app's own, and at doors of the app's own.

use countersign::FactorShown;
use countersign::PasswordRefused;
use countersign::http::Peer;
use countersign::permission::{HasFactor, RecentLogin};
use countersign::session::Transport;
use totp_rs::{Builder, Secret};

use super::*;

/// An integer, and a UUID.
const IDS: [&str; 2] = ["41", "0194f3a2-5b6c-7d8e-9f01-23456789abcd"];

struct MembersApp {
    auth: Auth,
    router: Router,
    members: Members,
    clock: Arc<ManualClock>,
    _directory: tempfile::TempDir,
}

async fn app() -> MembersApp {
    let (builder, directory, clock) = builder();
    app_of(builder, directory, clock).await
}

/// One on each store that is built.
async fn apps() -> Vec<MembersApp> {
    #[cfg_attr(not(feature = "postgres"), expect(unused_mut, reason = "it is the only one"))]
    let mut apps = vec![app().await];
    #[cfg(feature = "postgres")]
    {
        use countersign::store::postgres::PostgresStore;

        let url = countersign_testkit::Cluster::shared().database();
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        let (builder, directory, clock) = builder_on(|_| store);
        apps.push(app_of(builder, directory, clock).await);
    }
    apps
}

async fn app_of(
    builder: AuthBuilder,
    directory: tempfile::TempDir,
    clock: Arc<ManualClock>,
) -> MembersApp {
    let members = Members::with(cheap(), &IDS).await;
    let auth = builder.users(members.clone()).build().await.unwrap();
    let guarded = Router::new().route("/vault", axum::routing::get(|| async { "gold" }));
    let recent = Router::new().route("/close", axum::routing::get(|| async { "closed" }));
    let router = auth
        .protect_with(HasFactor, guarded)
        .merge(auth.protect_with(RecentLogin(5), recent))
        .merge(auth.routes());
    MembersApp { auth, router, members, clock, _directory: directory }
}

impl MembersApp {
    /// The app's secret, and the recovery codes.
    async fn enrol(&self, access: &str) -> (Secret, Vec<String>) {
        let offer = with_token("POST", "/accounts/factors/totp", access);
        let (status, offered) = send(&self.router, offer).await;
        assert_eq!(status, StatusCode::CREATED, "{offered}");
        let secret = Secret::try_from_base32(text(&offered, "secret").replace(' ', "")).unwrap();
        let code = json!({"code": self.code(&secret)});
        let (status, enrolled) =
            send(&self.router, signed("POST", "/accounts/factors/totp/confirm", access, &code))
                .await;
        assert_eq!(status, StatusCode::OK, "{enrolled}");
        let codes = enrolled["recovery_codes"].as_array().unwrap().iter();
        self.clock.advance(Duration::from_secs(30));
        (secret, codes.map(|code| code.as_str().unwrap().to_owned()).collect())
    }

    fn code(&self, secret: &Secret) -> String {
        let now = countersign::clock::Clock::now(&*self.clock).as_second();
        let app = Builder::new().with_secret(secret.clone()).build().unwrap();
        app.generate(now.try_into().unwrap()).to_string()
    }

    async fn first_step(&self, name: &str) -> (StatusCode, Value) {
        let body = json!({"username": name, "password": PASSWORD, "transport": "body"});
        send(&self.router, post("/accounts/login", &body)).await
    }

    async fn second_step(&self, pending: &Value, factor: (&str, &str)) -> (StatusCode, Value) {
        let body = json!({"pending_token": pending["pending_token"], factor.0: factor.1});
        send(&self.router, post("/accounts/login/factor", &body)).await
    }
}

fn signed(method: &str, path: &str, token: &str, body: &Value) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

#[tokio::test]
async fn users_of_any_id_are_asked_for_what_they_enrolled_until_they_remove_it() {
    for (app, id) in apps().await.iter().flat_map(|app| IDS.map(|id| (app, id))) {
        let name = format!("nick-{id}");
        let login = log_in(&app.router, &name).await;
        let (secret, codes) = app.enrol(text(&login, "access_token")).await;
        let (status, asked) = app.first_step(&name).await;
        assert_eq!((status.as_u16(), &asked["code"]), (401, &json!("second_factor_required")));
        let (status, _) = app.second_step(&asked, ("code", "000000")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let code = app.code(&secret);
        let (status, login) = app.second_step(&asked, ("code", &code)).await;
        assert_eq!((status, &login["user"]["plan"]), (StatusCode::OK, &json!("gold")), "{login}");
        let (_, asked) = app.first_step(&name).await;
        let (status, used) = app.second_step(&asked, ("code", &code)).await;
        assert_eq!((status.as_u16(), &used["code"]), (401, &json!("factor_invalid")));
        let (status, login) = app.second_step(&asked, ("recovery_code", &codes[0])).await;
        assert_eq!(status, StatusCode::OK, "{login}");

        let access = text(&login, "access_token");
        let path = "/accounts/factors";
        let (_, listed) = send(&app.router, with_token("GET", path, access)).await;
        assert_eq!(listed["recovery_codes_left"], 9);
        let new = with_token("POST", "/accounts/factors/recovery-codes", access);
        let (status, new) = send(&app.router, new).await;
        assert_eq!(
            (status, new["recovery_codes"].as_array().unwrap().len()),
            (StatusCode::CREATED, 10)
        );
        let factor = format!("{path}/{}", text(&listed["factors"][0], "id"));
        let named = signed("PATCH", &factor, access, &json!({"name": "a phone"}));
        assert_eq!(send(&app.router, named).await.1["name"], "a phone");
        let (status, _) = send(&app.router, with_token("DELETE", &factor, access)).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        log_in(&app.router, &name).await;

        // And whoever is deleted by the app leaves nothing behind.
        app.enrol(text(&log_in(&app.router, &name).await, "access_token")).await;
        let user: UserId = id.parse().unwrap();
        app.auth.forget_user(user).await.unwrap();
        let gone = send(&app.router, with_token("GET", path, access)).await;
        assert_eq!(gone.1["code"], "session_revoked");
        log_in(&app.router, &name).await;
    }
}

#[tokio::test]
async fn a_device_that_was_remembered_is_asked_after_the_factors_were_forgotten() {
    for (app, id) in apps().await.iter().flat_map(|app| IDS.map(|id| (app, id))) {
        let name = format!("nick-{id}");
        let login = log_in(&app.router, &name).await;
        let (secret, _) = app.enrol(text(&login, "access_token")).await;
        let (_, asked) = app.first_step(&name).await;
        let body = json!({"pending_token": asked["pending_token"], "code": app.code(&secret),
            "remember_device": true});
        let (status, laptop) = send(&app.router, post("/accounts/login/factor", &body)).await;
        assert_eq!(status, StatusCode::OK, "{laptop}");
        let again = json!({"username": name, "password": PASSWORD, "transport": "body",
            "device_token": laptop["device_token"]});
        let (status, login) = send(&app.router, post("/accounts/login", &again)).await;
        assert_eq!(status, StatusCode::OK, "it is not asked: {login}");

        // The laptop is lost, and the app helps.
        let (user, now) = (id.parse().unwrap(), countersign::clock::Clock::now(&*app.clock));
        app.auth.store().forget_factors(user).await.unwrap();
        let reason = countersign::session::RevokedReason::Admin;
        app.auth.store().revoke_user_sessions(user, None, reason, now).await.unwrap();
        app.auth.catch_up().await.unwrap();
        app.enrol(text(&log_in(&app.router, &name).await, "access_token")).await;
        let (status, found) = send(&app.router, post("/accounts/login", &again)).await;
        assert_eq!((status.as_u16(), &found["code"]), (401, &json!("second_factor_required")));
    }
}

#[tokio::test]
async fn a_row_that_changes_while_the_code_is_checked_begins_no_session() {
    let app = app().await;
    let login = log_in(&app.router, "nick-41").await;
    let (secret, _) = app.enrol(text(&login, "access_token")).await;
    let (_, asked) = app.first_step("nick-41").await;
    app.members.0.lock().unwrap().meanwhile = Some(|(member, _)| member.closed = true);
    let (status, refused) = app.second_step(&asked, ("code", &app.code(&secret))).await;
    assert_eq!((status.as_u16(), &refused["code"]), (401, &json!("pending_token_invalid")));
    let now = countersign::clock::Clock::now(&*app.clock);
    let live = app.auth.store().user_sessions(UserId::new(41), now).await.unwrap();
    assert_eq!(live.len(), 1, "the session from before, and no other");
}

#[tokio::test]
async fn a_door_of_the_apps_own_asks_too() {
    let app = app().await;
    let login = log_in(&app.router, "nick-41").await;
    let (secret, _) = app.enrol(text(&login, "access_token")).await;
    let peer = Peer::local();
    let refused = app.auth.log_in(UserId::new(41), Transport::Body, &peer).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "second_factor_required");
    let (token, factors) = refused.second_factor().unwrap();
    assert_eq!(factors, ["totp", "recovery_code"]);
    let asked = json!({"pending_token": token});
    let (status, login) = app.second_step(&asked, ("code", &app.code(&secret))).await;
    assert_eq!(status, StatusCode::OK, "{login}");

    app.clock.advance(Duration::from_secs(30));
    let password = Password::parse(PASSWORD.to_owned()).unwrap();
    let refused = app.auth.check_password("nick-41", &password, &peer, |_| true).await;
    let Err(PasswordRefused::SecondFactor { pending_token, .. }) = refused else {
        panic!("{refused:?}");
    };
    let code = FactorShown::code(&app.code(&secret)).unwrap();
    let checked = app.auth.check_factor(&pending_token, &code, &peer, |_| true).await.unwrap();
    assert_eq!(checked.user, UserId::new(41));
    // What is for a page opens no endpoint.
    let asked = json!({"pending_token": pending_token});
    let (status, _) = app.second_step(&asked, ("code", &app.code(&secret))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_form_that_asked_for_a_second_factor_lets_in_with_it_once() {
    let app = app().await;
    let login = log_in(&app.router, "nick-41").await;
    let (secret, codes) = app.enrol(text(&login, "access_token")).await;
    let password = Password::parse(PASSWORD.to_owned()).unwrap();
    let peer = Peer::local();
    // The form with the password says that the device is one of others; the next says nothing.
    let mut not_remembered = peer.clone();
    not_remembered.remember = false;
    let pending = async || {
        let asked = app.auth.check_password("nick-41", &password, &not_remembered, |_| true).await;
        let Err(PasswordRefused::SecondFactor { pending_token, .. }) = asked else {
            panic!("{asked:?}");
        };
        pending_token
    };
    let enter = async |checked: countersign::PasswordChecked| {
        app.auth.log_in_checked(checked, Transport::Cookie, &peer).await
    };
    let code = FactorShown::code(&app.code(&secret)).unwrap();
    let waits = pending().await;
    let checked = app.auth.check_factor(&waits, &code, &peer, |_| true).await.unwrap();
    let login = enter(checked.clone()).await.unwrap();
    let who = app.auth.verify(login.access_token()).await.unwrap();
    assert_eq!(who.claims().amr, ["pwd", "otp", "mfa"]);
    let answer = axum::response::IntoResponse::into_response(login);
    for line in answer.headers().get_all("set-cookie") {
        assert!(!line.to_str().unwrap().contains("Max-Age"), "{line:?}");
    }

    // Neither the check, nor the code, nor the sign-in that waited counts again.
    let again = enter(checked).await.unwrap_err();
    assert_eq!(again.code().as_str(), "factor_invalid");
    let used = app.auth.check_factor(&waits, &code, &peer, |_| true).await;
    assert!(used.is_err(), "{used:?}");
    let used = app.auth.check_factor(&pending().await, &code, &peer, |_| true).await;
    assert!(used.is_err(), "{used:?}");
    // A recovery code is used up as well.
    let code = FactorShown::recovery_code(&codes[0]).unwrap();
    let checked = app.auth.check_factor(&pending().await, &code, &peer, |_| true).await.unwrap();
    enter(checked).await.unwrap();
    let used = app.auth.check_factor(&pending().await, &code, &peer, |_| true).await;
    assert!(used.is_err(), "{used:?}");
}

#[tokio::test]
async fn a_form_that_is_under_way_does_not_pass_a_factor_that_is_enrolled_meanwhile() {
    let app = app().await;
    let login = log_in(&app.router, "nick-41").await;
    let password = Password::parse(PASSWORD.to_owned()).unwrap();
    let peer = Peer::local();
    let checked = app.auth.check_password("nick-41", &password, &peer, |_| true).await.unwrap();
    app.enrol(text(&login, "access_token")).await;
    let refused = app.auth.log_in_checked(checked, Transport::Cookie, &peer).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "invalid_credentials");
}

#[tokio::test]
async fn a_route_asks_for_a_factor_or_a_fresh_login_and_a_step_up_gives_it() {
    let app = app().await;
    let login = log_in(&app.router, "nick-41").await;
    let access = text(&login, "access_token").to_owned();
    let ask = |path: &str, token: &str| send_owned(&app.router, with_token("GET", path, token));
    assert_eq!(ask("/vault", &access).await.1["code"], "factor_required");
    let (secret, _) = app.enrol(&access).await;
    app.clock.advance(4 * MINUTE);
    let refresh = json!({"refresh_token": login["refresh_token"]});
    let (_, refreshed) = send(&app.router, post("/accounts/refresh", &refresh)).await;
    let access = text(&refreshed, "access_token").to_owned();
    // The confirmation was a proof: the session is one of two factors from then on.
    assert_eq!(ask("/vault", &access).await.0, StatusCode::OK);
    assert_eq!(ask("/close", &access).await.0, StatusCode::OK, "it was less than five minutes ago");
    app.clock.advance(MINUTE);
    assert_eq!(ask("/close", &access).await.1["code"], "recent_login_required");
    let code = json!({"code": app.code(&secret)});
    let (status, stepped) =
        send(&app.router, signed("POST", "/accounts/step-up", &access, &code)).await;
    assert_eq!(status, StatusCode::OK, "{stepped}");
    assert_eq!(ask("/close", text(&stepped, "access_token")).await.0, StatusCode::OK);
}
