//! A service without users and without a database, beside a Countersign: it verifies tokens by
//! itself, and hears of a logout within a second.
//!
//! ```sh
//! cargo run --release -- serve
//! AUTH_URL=http://localhost:8000 cargo run -p countersign-examples --bin resource-server
//! curl -s -H "Authorization: Bearer ACCESS_TOKEN" http://localhost:8001/orders
//! ```

use std::error::Error;

use axum::Router;
use axum::routing::get;
use countersign_verify::permission::IsStaff;
use countersign_verify::{Claims, CurrentUser, ResourceServer, TokenUser, require};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("AUTH_URL").unwrap_or("http://localhost:8000".to_owned());
    let auth = ResourceServer::builder(url).build()?;

    let app = Router::new()
        .route("/orders", get(orders).post(order))
        .route("/session", get(session))
        // Staff are known as such when the Countersign says so in its tokens: --extra-claims
        // is_staff
        .route("/reports", get(|| async { "Figures." }).layer(require(IsStaff)))
        .layer(auth.layer());

    let address = std::env::var("LISTEN").unwrap_or("127.0.0.1:8001".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app).await?;
    Ok(())
}

async fn orders(me: CurrentUser<TokenUser>) -> String {
    format!("The orders of user {}.", me.id)
}

/// A write from a browser needs `X-CSRFTOKEN`; the layer has checked it against the token's `csrf`
/// claim.
async fn order(me: CurrentUser<TokenUser>) -> String {
    format!("Ordered for user {}.", me.id)
}

async fn session(claims: Claims) -> String {
    format!("Session {} began at {}.", claims.sid, claims.auth_time)
}
