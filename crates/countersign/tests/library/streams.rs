//! What goes on for longer than a request: it ends when its session does.

use countersign::http::Peer;
use countersign::session::{RevokedReason, Transport};
use countersign::sign_in::{Policy, SecondFactor};
use futures_util::FutureExt;

use countersign::session::device::{DeviceBinding, DeviceKind};
use countersign::store::DeviceOffer;
use countersign::token::ExtraClaim;

use super::*;

async fn world() -> (Auth, Arc<ManualClock>, tempfile::TempDir) {
    let (builder, directory, clock) = builder();
    let members = Members::with(cheap(), &["41", "42"]).await;
    (builder.users(members).build().await.unwrap(), clock, directory)
}

async fn log_in(auth: &Auth, user: i64) -> countersign::LoggedIn {
    auth.log_in(UserId::new(user), Transport::Body, &Peer::local()).await.unwrap()
}

#[tokio::test]
async fn a_token_that_came_by_another_way_counts_as_one_in_the_header_does() {
    let (auth, clock, _directory) = world().await;
    let login = log_in(&auth, 41).await;
    let who = auth.verify(login.access_token()).await.unwrap();
    assert_eq!(who.account().username(), "nick-41");
    assert_eq!(who.user::<Member>().unwrap().plan, "gold");
    for (token, code) in [("", "token_invalid"), ("a.b.c", "token_invalid")] {
        assert_eq!(auth.verify(token).await.unwrap_err().code().as_str(), code);
    }
    let refresh = login.refresh_token().unwrap();
    assert_eq!(auth.verify(refresh).await.unwrap_err().code().as_str(), "token_invalid");
    clock.advance(5 * MINUTE);
    let expired = auth.verify(login.access_token()).await.unwrap_err();
    assert_eq!(expired.code().as_str(), "token_expired");
    auth.end_sessions(UserId::new(41), RevokedReason::Admin).await.unwrap();
    let fresh = log_in(&auth, 41).await;
    auth.end_sessions(UserId::new(41), RevokedReason::Admin).await.unwrap();
    let ended = auth.verify(fresh.access_token()).await.unwrap_err();
    assert_eq!(ended.code().as_str(), "session_revoked");
}

#[tokio::test]
async fn a_session_that_may_only_enrol_is_let_in_by_no_other_way_either() {
    let (builder, _directory, _) = builder();
    let mut policy = Policy::default();
    policy.second_factor = SecondFactor::Required;
    let members = Members::with(cheap(), &["41"]).await;
    let auth = builder.users(members).sign_in(policy).build().await.unwrap();
    let login = log_in(&auth, 41).await;
    let refused = auth.verify(login.access_token()).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "enrolment_required");
    for token in [login.access_token(), login.refresh_token().unwrap()] {
        assert!(auth.introspect(token).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_with_no_other() {
    let (auth, _, _directory) = world().await;
    let app = auth.routes();
    let (mine, other) = (log_in(&auth, 41).await, log_in(&auth, 42).await);
    let mut streams = Vec::new();
    for login in [&mine, &other] {
        streams.push(auth.verify(login.access_token()).await.unwrap().ended());
    }
    let [mut mine_ended, mut other_ended] = <[_; 2]>::try_from(streams).unwrap();
    assert!((&mut mine_ended).now_or_never().is_none());
    let body = json!({"refresh_token": mine.refresh_token().unwrap()});
    let (status, _) = send(&app, post("/accounts/logout", &body)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    mine_ended.await;
    assert!((&mut other_ended).now_or_never().is_none());
    assert!(!auth.is_live(mine.session()).await.unwrap());
    assert!(auth.is_live(other.session()).await.unwrap());
}

#[tokio::test]
async fn a_stream_ends_wherever_its_session_was_ended() {
    let (auth, clock, _directory) = world().await;
    let login = log_in(&auth, 41).await;
    let ended = auth.verify(login.access_token()).await.unwrap().ended();
    // As another process on the same store does.
    let now = countersign::clock::Clock::now(&*clock);
    let id = UserId::new(41);
    auth.store().revoke_user_sessions(id, None, RevokedReason::Admin, now).await.unwrap();
    ended.await;
    let late = auth.verify(login.access_token()).await;
    assert_eq!(late.unwrap_err().code().as_str(), "session_revoked");
}

#[tokio::test]
async fn a_session_whose_time_is_over_does_not_live() {
    let (auth, clock, _directory) = world().await;
    let (idle, busy) = (log_in(&auth, 41).await, log_in(&auth, 42).await);
    let app = auth.routes();
    clock.advance(6 * 24 * 60 * MINUTE);
    let body = json!({"refresh_token": busy.refresh_token().unwrap()});
    let (status, refreshed) = send(&app, post("/accounts/refresh", &body)).await;
    assert_eq!(status, StatusCode::OK);
    clock.advance(MINUTE);
    let body = json!({"refresh_token": text(&refreshed, "refresh_token")});
    assert_eq!(send(&app, post("/accounts/refresh", &body)).await.0, StatusCode::OK);
    clock.advance(9 * 24 * 60 * MINUTE);
    assert!(!auth.is_live(idle.session()).await.unwrap());
    assert!(auth.is_live(busy.session()).await.unwrap());
    let unknown = countersign::session::SessionId::new(7).unwrap();
    assert!(!auth.is_live(unknown).await.unwrap());
}

#[tokio::test]
async fn a_ticket_lets_one_request_of_a_user_of_the_apps_own_in_where_none_can_send_a_header() {
    let (auth, _, _directory) = world().await;
    let file = async |ticket: countersign::Ticket| {
        let who = ticket.redeem("file 7").await?;
        Ok::<_, countersign::http::Problem>(axum::Json(who.user::<Member>().unwrap().plan))
    };
    let app = Router::new()
        .route("/file/7", axum::routing::get(file))
        .with_state(auth.clone())
        .merge(auth.routes());
    let login = log_in(&auth, 41).await;
    let asked = async |purpose: &str| {
        let mut request = post("/accounts/tickets", &json!({"for": purpose}));
        let bearer = format!("Bearer {}", login.access_token()).parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        let (status, answer) = send(&app, request).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        text(&answer, "ticket").to_owned()
    };
    let show = async |ticket: &str| {
        let uri = format!("/file/7?download&ticket={ticket}");
        send(&app, Request::get(uri).body(Body::empty()).unwrap()).await
    };
    let (good, other) = (asked("file 7").await, asked("file 8").await);
    assert_eq!(show(&good).await, (StatusCode::OK, json!("gold")));
    for refused in [good.as_str(), &other, ""] {
        let (status, answer) = show(refused).await;
        assert_eq!((status, text(&answer, "code")), (StatusCode::UNAUTHORIZED, "token_invalid"));
    }
    let (status, answer) = send(&app, Request::get("/file/7").body(Body::empty()).unwrap()).await;
    assert_eq!((status, text(&answer, "code")), (StatusCode::UNAUTHORIZED, "not_authenticated"));

    let late = asked("file 7").await;
    auth.end_sessions(UserId::new(41), RevokedReason::Admin).await.unwrap();
    let (_, answer) = show(&late).await;
    assert_eq!(text(&answer, "code"), "session_revoked");
}

#[tokio::test]
async fn a_ticket_tells_of_a_device_where_a_session_without_its_proof_is_refused() {
    for (binding, kind, is_told) in [
        (DeviceBinding::Off, DeviceKind::Dbsc, false),
        (DeviceBinding::Off, DeviceKind::Dpop, false),
        (DeviceBinding::Observe, DeviceKind::Dbsc, false),
        (DeviceBinding::Observe, DeviceKind::Dpop, true),
        (DeviceBinding::Enforce, DeviceKind::Dbsc, true),
        (DeviceBinding::Enforce, DeviceKind::Dpop, true),
    ] {
        let (builder, _directory, clock) = builder();
        let auth = builder
            .public_url("https://api.example.com")
            .users(Members::with(cheap(), &["41"]).await)
            .extra_claims([ExtraClaim::DeviceBound])
            .device_binding(binding)
            .build()
            .await
            .unwrap();
        let login = log_in(&auth, 41).await;
        let told = async || {
            let ticket = auth.ticket(login.session(), "chat").unwrap();
            let who = auth.redeem_ticket(&ticket, "chat").await.unwrap();
            who.claims().extra["dvb"].clone()
        };
        assert_eq!(told().await, json!(false), "it is bound to none");
        let now = countersign::clock::Clock::now(&*clock);
        let offer = DeviceOffer {
            session: login.session(),
            kind,
            key: "a key".to_owned(),
            challenge_at: now,
            is_confirmed: true,
            window: Duration::from_secs(30),
            now,
        };
        assert!(auth.store().offer_device(offer).await.unwrap());
        assert_eq!(told().await, json!(is_told), "{binding:?} {kind:?}");
    }
}
