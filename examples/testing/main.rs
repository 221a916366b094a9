//! How an app tests its own routes: with a user who is logged in, a clock that moves when it is
//! told to, and no network.
//!
//! `cargo test -p countersign-examples --bin testing`

use std::error::Error;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::{get, post};
use countersign::permission::RecentLogin;
use countersign::store::sqlite::SqliteStore;
use countersign::user::User;
use countersign::{Auth, CurrentUser, require};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("data")?;
    let auth = Auth::builder(SqliteStore::open("data/countersign.sqlite3".as_ref())?)
        .secret_file("data/secret")
        .build()
        .await?;
    let address = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app(&auth).into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// The app under test.
fn app(auth: &Auth) -> Router {
    let private = Router::new()
        .route(
            "/hello",
            get(|me: CurrentUser<User>| async move { format!("Hello, {}.", me.username) }),
        )
        .route("/transfer", post(|| async { "Done." }).layer(require(RecentLogin(5))));
    auth.protect(private).merge(auth.routes())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode};
    use countersign::clock::{Clock, ManualClock};
    use countersign::http::Peer;
    use countersign::password::EncodedPassword;
    use countersign::session::{RevokedReason, Transport};
    use countersign::token::Secrets;
    use countersign::user::{NewUser, UserId, Username};
    use countersign::{Auth, LoggedIn};
    use tower::ServiceExt;

    use super::*;

    /// An app with one user, in memory.
    struct TestApp {
        clock: Arc<ManualClock>,
        auth: Auth,
        app: Router,
        alice: UserId,
    }

    impl TestApp {
        async fn new() -> Self {
            let clock = Arc::new(ManualClock::at("2026-01-01T12:00:00Z".parse().unwrap()));
            let auth = Auth::builder(SqliteStore::in_memory().unwrap())
                .secrets(Secrets::from_text("only for tests, only for tests, only").unwrap())
                .clock(clock.clone())
                .build()
                .await
                .unwrap();
            let alice =
                NewUser::new(Username::parse("alice").unwrap(), None, EncodedPassword::unusable());
            let alice = auth.store().create_user(alice, clock.now()).await.unwrap().id;
            Self { app: app(&auth), clock, auth, alice }
        }

        /// Nobody hashes a password for it.
        async fn log_in(&self, transport: Transport) -> LoggedIn {
            self.auth.log_in(self.alice, transport, &Peer::local()).await.unwrap()
        }

        async fn send(&self, request: axum::http::request::Builder) -> (StatusCode, String) {
            let response =
                self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let status = response.status();
            (
                status,
                String::from_utf8(to_bytes(response.into_body(), 65_536).await.unwrap().to_vec())
                    .unwrap(),
            )
        }
    }

    fn bearer(login: &LoggedIn) -> String {
        format!("Bearer {}", login.access_token())
    }

    #[tokio::test]
    async fn the_user_is_greeted_by_name_and_a_stranger_is_not() {
        let app = TestApp::new().await;
        let login = app.log_in(Transport::Body).await;
        let greeted =
            app.send(Request::get("/hello").header("authorization", bearer(&login))).await;
        assert_eq!(greeted, (StatusCode::OK, "Hello, alice.".to_owned()));
        assert_eq!(app.send(Request::get("/hello")).await.0, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn a_page_writes_with_its_csrf_token_only() {
        let app = TestApp::new().await;
        let login = app.log_in(Transport::Cookie).await;
        let request = || Request::post("/transfer").header("authorization", bearer(&login));
        assert_eq!(app.send(request()).await.0, StatusCode::FORBIDDEN);
        let with_token = request().header("x-csrftoken", login.csrf_token().unwrap());
        assert_eq!(app.send(with_token).await, (StatusCode::OK, "Done.".to_owned()));
    }

    #[tokio::test]
    async fn a_transfer_needs_a_login_of_the_last_five_minutes() {
        let app = TestApp::new().await;
        let login = app.log_in(Transport::Body).await;
        let transfer = || Request::post("/transfer").header("authorization", bearer(&login));
        assert_eq!(app.send(transfer()).await.0, StatusCode::OK);
        app.clock.advance(Duration::from_secs(299));
        assert_eq!(app.send(transfer()).await.0, StatusCode::OK);
        app.clock.advance(Duration::from_secs(1));
        assert!(
            app.send(transfer()).await.1.contains("token_expired"),
            "the token has its five minutes, too"
        );
    }

    #[tokio::test]
    async fn who_is_locked_out_is_out_at_once() {
        let app = TestApp::new().await;
        let login = app.log_in(Transport::Body).await;
        app.auth.end_sessions(app.alice, RevokedReason::Admin).await.unwrap();
        let (status, problem) =
            app.send(Request::get("/hello").header("authorization", bearer(&login))).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(problem.contains("session_revoked"), "{problem}");
    }
}
