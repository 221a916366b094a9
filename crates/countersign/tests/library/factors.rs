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

struct World {
    auth: Auth,
    app: Router,
    members: Members,
    clock: Arc<ManualClock>,
    _directory: tempfile::TempDir,
}

async fn world() -> World {
    let (builder, directory, clock) = builder();
    let members = Members::with(cheap(), &IDS).await;
    let auth = builder.users(members.clone()).build().await.unwrap();
    let guarded = Router::new().route("/vault", axum::routing::get(|| async { "gold" }));
    let recent = Router::new().route("/close", axum::routing::get(|| async { "closed" }));
    let app = auth
        .protect_with(HasFactor, guarded)
        .merge(auth.protect_with(RecentLogin(5), recent))
        .merge(auth.routes());
    World { auth, app, members, clock, _directory: directory }
}

impl World {
    /// The app's secret, and the recovery codes.
    async fn enrol(&self, access: &str) -> (Secret, Vec<String>) {
        let offer = with_token("POST", "/accounts/factors/totp", access);
        let (status, offered) = send(&self.app, offer).await;
        assert_eq!(status, StatusCode::CREATED, "{offered}");
        let secret = Secret::try_from_base32(text(&offered, "secret").replace(' ', "")).unwrap();
        let code = json!({"code": self.code(&secret)});
        let (status, enrolled) =
            send(&self.app, signed("POST", "/accounts/factors/totp/confirm", access, &code)).await;
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
        send(&self.app, post("/accounts/login", &body)).await
    }

    async fn second_step(&self, pending: &Value, factor: (&str, &str)) -> (StatusCode, Value) {
        let body = json!({"pending_token": pending["pending_token"], factor.0: factor.1});
        send(&self.app, post("/accounts/login/factor", &body)).await
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
async fn users_of_any_id_are_asked_for_what_they_enrolled() {
    let world = world().await;
    for id in IDS {
        let name = format!("nick-{id}");
        let login = log_in(&world.app, &name).await;
        let (secret, codes) = world.enrol(text(&login, "access_token")).await;
        let (status, asked) = world.first_step(&name).await;
        assert_eq!((status.as_u16(), &asked["code"]), (401, &json!("second_factor_required")));
        let (status, _) = world.second_step(&asked, ("code", "000000")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let (status, login) = world.second_step(&asked, ("code", &world.code(&secret))).await;
        assert_eq!((status, &login["user"]["plan"]), (StatusCode::OK, &json!("gold")), "{login}");
        let (_, asked) = world.first_step(&name).await;
        let (status, login) = world.second_step(&asked, ("recovery_code", &codes[0])).await;
        assert_eq!(status, StatusCode::OK, "{login}");
    }
}

#[tokio::test]
async fn a_row_that_changes_while_the_code_is_checked_begins_no_session() {
    let world = world().await;
    let login = log_in(&world.app, "nick-41").await;
    let (secret, _) = world.enrol(text(&login, "access_token")).await;
    let (_, asked) = world.first_step("nick-41").await;
    world.members.0.lock().unwrap().meanwhile = Some(|(member, _)| member.closed = true);
    let (status, refused) = world.second_step(&asked, ("code", &world.code(&secret))).await;
    assert_eq!((status.as_u16(), &refused["code"]), (401, &json!("pending_token_invalid")));
    let now = countersign::clock::Clock::now(&*world.clock);
    let live = world.auth.store().user_sessions(UserId::new(41), now).await.unwrap();
    assert_eq!(live.len(), 1, "the session from before, and no other");
}

#[tokio::test]
async fn a_door_of_the_apps_own_asks_too() {
    let world = world().await;
    let login = log_in(&world.app, "nick-41").await;
    let (secret, _) = world.enrol(text(&login, "access_token")).await;
    let peer = Peer::local();
    let refused = world.auth.log_in(UserId::new(41), Transport::Body, &peer).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "second_factor_required");
    let (token, factors) = refused.second_factor().unwrap();
    assert_eq!(factors, ["totp", "recovery_code"]);
    let asked = json!({"pending_token": token});
    let (status, login) = world.second_step(&asked, ("code", &world.code(&secret))).await;
    assert_eq!(status, StatusCode::OK, "{login}");

    world.clock.advance(Duration::from_secs(30));
    let password = Password::parse(PASSWORD.to_owned()).unwrap();
    let refused = world.auth.check_password("nick-41", &password, &peer, |_| true).await;
    let Err(PasswordRefused::SecondFactor { pending_token, .. }) = refused else {
        panic!("{refused:?}");
    };
    let code = FactorShown::code(&world.code(&secret)).unwrap();
    let checked = world.auth.check_factor(&pending_token, &code, &peer, |_| true).await.unwrap();
    assert_eq!(checked.user, UserId::new(41));
    // What is for a page opens no endpoint.
    let asked = json!({"pending_token": pending_token});
    let (status, _) = world.second_step(&asked, ("code", &world.code(&secret))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_route_asks_for_a_factor_or_a_fresh_login_and_a_step_up_gives_it() {
    let world = world().await;
    let login = log_in(&world.app, "nick-41").await;
    let access = text(&login, "access_token").to_owned();
    let ask = |path: &str, token: &str| send_owned(&world.app, with_token("GET", path, token));
    assert_eq!(ask("/vault", &access).await.1["code"], "factor_required");
    let (secret, _) = world.enrol(&access).await;
    world.clock.advance(4 * MINUTE);
    let refresh = json!({"refresh_token": login["refresh_token"]});
    let (_, refreshed) = send(&world.app, post("/accounts/refresh", &refresh)).await;
    let access = text(&refreshed, "access_token").to_owned();
    // The confirmation was a proof: the session is one of two factors from then on.
    assert_eq!(ask("/vault", &access).await.0, StatusCode::OK);
    assert_eq!(ask("/close", &access).await.0, StatusCode::OK, "it was less than five minutes ago");
    world.clock.advance(MINUTE);
    assert_eq!(ask("/close", &access).await.1["code"], "recent_login_required");
    let code = json!({"code": world.code(&secret)});
    let (status, stepped) =
        send(&world.app, signed("POST", "/accounts/step-up", &access, &code)).await;
    assert_eq!(status, StatusCode::OK, "{stepped}");
    assert_eq!(ask("/close", text(&stepped, "access_token")).await.0, StatusCode::OK);
}
