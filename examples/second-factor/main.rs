//! Second factors in an app: staff must have one, the vault asks for it, and so does a door of the
//! app's own.
//!
//! `cargo run -p countersign-examples --bin second-factor`

use std::error::Error;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use countersign::http::{Peer, Problem};
use countersign::permission::{HasFactor, Permission, RecentLogin};
use countersign::session::Transport;
use countersign::sign_in::{Policy, SecondFactor};
use countersign::store::sqlite::SqliteStore;
use countersign::user::UserId;
use countersign::{Auth, LoggedIn, require};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("data")?;
    let store = SqliteStore::open("data/countersign.sqlite3".as_ref())?;
    // Staff without a factor may enrol one, and do nothing else.
    let second_factor = SecondFactor::Of(vec!["staff".to_owned()]);
    let mut policy = Policy::default();
    policy.second_factor = second_factor;
    let auth = Auth::builder(store).sign_in(policy).secret_file("data/secret").build().await?;

    let address = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app(&auth).into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

fn app(auth: &Auth) -> Router {
    let private = Router::new()
        .route("/notes", get(|| async { "Everybody who is logged in." }))
        // Who has not proved a factor in this session gets `factor_required`: POST
        // /accounts/step-up with a code, and again with the new token.
        .route("/vault", get(|| async { "Gold." }).layer(require(HasFactor)))
        .route(
            "/vault/empty",
            post(|| async { "Empty." }).layer(require(HasFactor.and(RecentLogin(5)))),
        );
    let doors = Router::new().route("/partner/{token}", post(by_partner)).with_state(auth.clone());
    auth.protect(private).merge(auth.routes()).merge(doors)
}

/// A sign-in by what another system vouches for. Who has a second factor is asked for it here too:
/// the answer is then a 401 with `pending_token`, and the client goes on at
/// `/accounts/login/factor`.
async fn by_partner(
    State(auth): State<Auth>,
    Path(token): Path<String>,
    client: Peer,
) -> Result<LoggedIn, Problem> {
    auth.log_in(vouched_for(&token), Transport::Body, &client).await
}

/// In place of the partner: the token is the user's id.
fn vouched_for(token: &str) -> UserId {
    UserId::new(token.parse().unwrap_or(0))
}
