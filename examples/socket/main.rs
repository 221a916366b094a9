//! A WebSocket that is opened with a ticket and ends with the session. `cargo run -p
//! countersign-examples --bin socket`, and with an access token of `POST /accounts/login`:
//!
//! ```sh
//! curl -s -X POST -H "Authorization: Bearer ACCESS_TOKEN" -H "X-CSRFTOKEN: CSRF_TOKEN" \
//!     --json '{"for": "socket"}' http://localhost:8000/accounts/tickets
//! curl -s -N -H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Version: 13" \
//!     -H "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==" "http://localhost:8000/socket?ticket=TICKET"
//! ```

use std::error::Error;
use std::net::SocketAddr;

use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::response::Response;
use axum::{Router, routing::get};
use countersign::http::Problem;
use countersign::store::sqlite::SqliteStore;
use countersign::{Auth, Identity, Ticket};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("data")?;
    let store = SqliteStore::open("data/countersign.sqlite3".as_ref())?;
    let auth = Auth::builder(store).secret_file("data/secret").build().await?;

    // Open to everybody: the ticket is what lets in.
    let socket = Router::new().route("/socket", get(open)).with_state(auth.clone());
    let app = socket.merge(auth.routes());

    let address = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// A browser's WebSocket sends no headers.
async fn open(ticket: Ticket, upgrade: WebSocketUpgrade) -> Result<Response, Problem> {
    let who = ticket.redeem("socket").await?;
    Ok(upgrade.on_upgrade(move |socket| talk(who, socket)))
}

async fn talk(who: Identity, mut socket: WebSocket) {
    let mut ended = who.ended();
    let hello = format!("Hello, {}.", who.account().username());
    if socket.send(Message::text(hello)).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            () = &mut ended => {
                // The page may open another one, with a new ticket, if somebody is signed in.
                let over = CloseFrame { code: 4401, reason: "session_revoked".into() };
                let _ = socket.send(Message::Close(Some(over))).await;
                return;
            }
            said = socket.recv() => match said {
                Some(Ok(Message::Text(text))) => {
                    if socket.send(Message::Text(text)).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return,
            },
        }
    }
}
