//! An app of pages: a login form, a page behind it, a form that writes, and a stream that ends when
//! its session does. Nothing of it needs a script but the stream.
//!
//! `cargo run -p countersign-examples --bin pages`

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use countersign::http::{Code, CsrfField, NextPage, Peer, Problem};
use countersign::password::Password;
use countersign::permission::AllowAny;
use countersign::session::Transport;
use countersign::store::sqlite::SqliteStore;
use countersign::user::User;
use countersign::{Auth, CurrentUser, Identity};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;

/// What the app keeps beside its users.
#[derive(Clone)]
struct App {
    auth: Auth,
    notes: Arc<Mutex<Vec<String>>>,
}

impl FromRef<App> for Auth {
    fn from_ref(app: &App) -> Self {
        app.auth.clone()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("data")?;
    let store = SqliteStore::open("data/countersign.sqlite3".as_ref())?;
    let auth = Auth::builder(store).secret_file("data/secret").build().await?;
    let app = app(App { auth, notes: Arc::default() });

    let address = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

fn app(state: App) -> Router {
    let auth = state.auth.clone();
    let pages = Router::new()
        .route("/notes", get(notes).post(add_note))
        .route("/notes/live", get(live))
        .route("/logout", post(log_out))
        .with_state(state.clone());
    let front = Router::new().route("/", get(front));
    let login = Router::new().route("/login", get(login_form).post(log_in)).with_state(state);
    auth.protect_pages("/login", pages)
        .merge(auth.protect_pages_with(AllowAny, "/login", front))
        .merge(auth.check_origins(login))
        .merge(auth.routes())
}

async fn front(me: Option<CurrentUser<User>>) -> Html<String> {
    let name = me.map_or("stranger".to_owned(), |me| escaped(me.username.as_str()));
    Html(format!("<p>Hello, {name}. <a href=/notes>Notes</a></p>"))
}

async fn notes(State(app): State<App>, me: CurrentUser<User>, csrf: CsrfField) -> Html<String> {
    let notes = app.notes.lock().map(|notes| notes.join("</li><li>")).unwrap_or_default();
    let name = escaped(me.username.as_str());
    Html(format!(
        "<h1>Notes of {name}</h1><ul><li>{notes}</li></ul>\
         <form method=post>{csrf}<input name=note><button>Add</button></form>\
         <form method=post action=/logout>{csrf}<button>Log out</button></form>"
    ))
}

#[derive(Deserialize)]
struct Note {
    note: String,
}

async fn add_note(State(app): State<App>, Form(form): Form<Note>) -> Redirect {
    if let Ok(mut notes) = app.notes.lock() {
        notes.push(escaped(&form.note));
    }
    Redirect::to("/notes")
}

/// How many notes there are, each second: until the reader goes, or the session ends.
async fn live(
    State(app): State<App>,
    who: Identity,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let ended = who.ended();
    let counts = stream::unfold(app, |app| async move {
        let count = app.notes.lock().map(|notes| notes.len()).unwrap_or_default();
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok(Event::default().data(count.to_string())), app))
    });
    Sse::new(counts.take_until(ended)).keep_alive(KeepAlive::default())
}

async fn login_form(next: NextPage) -> Html<String> {
    Html(form(&next, ""))
}

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
    next: NextPage,
}

async fn log_in(
    State(auth): State<Auth>,
    client: Peer,
    Form(typed): Form<Login>,
) -> Result<Response, Problem> {
    let wrong = || Html(form(&typed.next, "The name or the password is wrong.")).into_response();
    let Ok(password) = Password::parse(typed.password) else { return Ok(wrong()) };
    // Too often, too: who guesses learns nothing of it.
    let Ok(checked) = auth.check_password(&typed.name, &password, &client, |_| true).await else {
        return Ok(wrong());
    };
    match auth.log_in_checked(checked, Transport::Cookie, &client).await {
        Ok(login) => Ok(login.redirect(&typed.next)),
        // The password was changed, or the user deactivated, while it was checked.
        Err(problem) if problem.code() == Code::InvalidCredentials => Ok(wrong()),
        Err(problem) => Err(problem),
    }
}

async fn log_out(
    State(auth): State<Auth>,
    who: Identity,
    client: Peer,
) -> Result<Response, Problem> {
    Ok(auth.log_out(&who, &client).await?.redirect(&NextPage::default()))
}

fn form(next: &NextPage, said: &str) -> String {
    let next = escaped(next.as_str());
    format!(
        "<p>{said}</p><form method=post><input type=hidden name=next value=\"{next}\">\
         <input name=name autocomplete=username>\
         <input name=password type=password autocomplete=current-password>\
         <button>Log in</button></form>"
    )
}

/// As a template engine does it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
