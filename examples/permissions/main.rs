//! Who may do what: classes, combinations, one of the app's own, and a check of an object.
//!
//! `cargo run -p countersign-examples --bin permissions`

use std::error::Error;
use std::net::SocketAddr;

use axum::extract::Path;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use countersign::http::{Code, Problem};
use countersign::permission::{
    Ask, Denied, HasPerm, InGroup, IsAuthenticatedOrReadOnly, IsStaff, IsSuperuser,
    ObjectPermission, Permission, RecentLogin,
};
use countersign::store::sqlite::SqliteStore;
use countersign::user::{User, UserId};
use countersign::{Auth, CurrentUser, Identity, Permitted, require};
use serde::Serialize;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("data")?;
    let store = SqliteStore::open("data/countersign.sqlite3".as_ref())?;
    let auth = Auth::builder(store).secret_file("data/secret").build().await?;

    let address = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app(&auth).into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

fn app(auth: &Auth) -> Router {
    // Everybody reads, users write.
    let comments = Router::new().route(
        "/comments",
        get(|| async { "Nice." }).post(|who: Identity| async move {
            format!("Thank you, {}.", who.account().username())
        }),
    );

    // Users only; some routes ask for more.
    let articles = Router::new()
        .route("/articles/{id}", get(article).put(edit))
        .route(
            "/articles/{id}/publish",
            post(publish).layer(require(HasPerm("articles.publish").or(InGroup("editors")))),
        )
        .route(
            "/reports",
            get(|| async { "Figures." }).layer(require(IsStaff.and(InGroup("interns").not()))),
        )
        .route("/drafts", get(drafts))
        // A stolen laptop deletes nothing: the password must have been given in the last five
        // minutes.
        .route(
            "/everything",
            delete(|| async { "Gone." }).layer(require(IsSuperuser.and(RecentLogin(5)))),
        );

    auth.protect_with(IsAuthenticatedOrReadOnly, comments)
        .merge(auth.protect(articles))
        .merge(auth.routes())
}

/// A permission of the app's own sees the user and the request.
#[derive(Debug, Default)]
struct FromTheOffice;

impl Permission for FromTheOffice {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        let has_badge = ask.request.headers.contains_key("x-office-badge");
        if ask.who.is_some() && has_badge { Ok(()) } else { Err(Denied::new("FromTheOffice")) }
    }
}

/// As an extractor it stands in the handler's own signature.
async fn drafts(who: Permitted<FromTheOffice>) -> String {
    format!("Drafts for {}.", who.identity().account().username())
}

#[derive(Debug, Serialize)]
struct Article {
    id: i64,
    author: UserId,
}

/// A permission on an object.
struct IsAuthor;

impl ObjectPermission<Article> for IsAuthor {
    fn check(&self, who: &Identity, article: &Article) -> Result<(), Denied> {
        if who.account().id() == article.author { Ok(()) } else { Err(Denied::new("IsAuthor")) }
    }
}

async fn article(Path(id): Path<i64>) -> Result<Json<Article>, Problem> {
    load(id).map(Json)
}

/// The object is checked where it has just been loaded.
async fn edit(me: CurrentUser<User>, Path(id): Path<i64>) -> Result<String, Problem> {
    let article = load(id)?;
    me.identity().may(&IsAuthor, &article)?;
    Ok(format!("{} edited article {id}.", me.username))
}

async fn publish(Path(id): Path<i64>) -> Result<String, Problem> {
    load(id)?;
    Ok(format!("Article {id} is published."))
}

/// In place of a database: user 1 wrote the odd ones, user 2 the even ones.
fn load(id: i64) -> Result<Article, Problem> {
    if id < 1 {
        return Err(Problem::new(Code::NotFound).detail("There is no such article."));
    }
    Ok(Article { id, author: UserId::new(2 - id % 2) })
}
