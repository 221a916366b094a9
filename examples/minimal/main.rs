//! An axum app with login. `cargo run -p countersign-examples --bin minimal`, and then:
//!
//! ```sh
//! COUNTERSIGN_PASSWORD='tin kettle 14' \
//!     cargo run --release -- user create --username alice --noinput
//! curl -s --json '{"username": "alice", "password": "tin kettle 14"}' http://localhost:8000/accounts/login
//! curl -s -H "Authorization: Bearer ACCESS_TOKEN" http://localhost:8000/hello
//! ```

use std::error::Error;
use std::net::SocketAddr;

use axum::{Router, routing::get};
use countersign::store::sqlite::SqliteStore;
use countersign::{Auth, CurrentUser, user::User};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("data")?;
    let store = SqliteStore::open("data/countersign.sqlite3".as_ref())?;
    let auth = Auth::builder(store).secret_file("data/secret").build().await?;

    let private = Router::new().route("/hello", get(hello));
    let app = auth.protect(private).merge(auth.routes());

    let address = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

async fn hello(me: CurrentUser<User>) -> String {
    format!("Hello, {}.", me.username)
}
