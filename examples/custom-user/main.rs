//! Login on a table of the app's own: UUIDs as ids, an e-mail address in place of a user name, and
//! a column that Countersign knows nothing of.
//!
//! ```sh
//! DATABASE_URL=postgres://localhost/app cargo run -p countersign-examples --bin custom-user
//! curl -s --json '{"email": "ada@example.com", "password": "tin kettle 14"}' http://localhost:8000/signup
//! curl -s --json '{"username": "ada@example.com", "password": "tin kettle 14"}' http://localhost:8000/accounts/login
//! curl -s -H "Authorization: Bearer ACCESS_TOKEN" http://localhost:8000/plan
//! ```

use std::error::Error;
use std::net::SocketAddr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use countersign::http::{Code, Problem};
use countersign::password::{EncodedPassword, Password, UserAttributes, validate};
use countersign::store::StoreError;
use countersign::store::sqlite::SqliteStore;
use countersign::user::{Account, FoundUser, UserId, Users};
use countersign::{Auth, CurrentUser};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

/// A row of the table. As JSON it is the `user` of login and profile.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
struct Member {
    id: Uuid,
    email: String,
    plan: String,
    /// Not a `String`: it prints as `EncodedPassword(…)`, and is never JSON.
    #[serde(skip)]
    #[sqlx(try_from = "String")]
    password: EncodedPassword,
    #[serde(skip)]
    closed: bool,
}

/// What Countersign has to know of it.
impl Account for Member {
    fn id(&self) -> UserId {
        self.id.to_string().parse().expect("36 characters are an id")
    }
    fn username(&self) -> &str {
        &self.email
    }
    fn email(&self) -> &str {
        &self.email
    }
    fn is_active(&self) -> bool {
        !self.closed
    }
}

/// Four questions over the table.
#[derive(Debug, Clone)]
struct Members(PgPool);

#[async_trait::async_trait]
impl Users for Members {
    type User = Member;

    async fn by_login(&self, login: &str) -> Result<Option<FoundUser<Member>>, StoreError> {
        let row =
            sqlx::query_as("SELECT * FROM members WHERE lower(email) = lower($1)").bind(login);
        Ok(row.fetch_optional(&self.0).await.map_err(StoreError::failed)?.map(found))
    }

    async fn by_id(&self, id: UserId) -> Result<Option<FoundUser<Member>>, StoreError> {
        let Ok(id) = id.to_string().parse::<Uuid>() else { return Ok(None) };
        let row = sqlx::query_as("SELECT * FROM members WHERE id = $1").bind(id);
        Ok(row.fetch_optional(&self.0).await.map_err(StoreError::failed)?.map(found))
    }

    async fn set_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        let Ok(id) = id.to_string().parse::<Uuid>() else { return Ok(false) };
        let update =
            sqlx::query("UPDATE members SET password = $3 WHERE id = $1 AND password = $2");
        let done = update
            .bind(id)
            .bind(old.as_str())
            .bind(new.as_str())
            .execute(&self.0)
            .await
            .map_err(StoreError::failed)?;
        Ok(done.rows_affected() == 1)
    }

    async fn note_login(&self, id: UserId, at: Timestamp) -> Result<(), StoreError> {
        let Ok(id) = id.to_string().parse::<Uuid>() else { return Ok(()) };
        let update = sqlx::query("UPDATE members SET last_login = to_timestamp($2) WHERE id = $1");
        update
            .bind(id)
            .bind(at.as_second() as f64)
            .execute(&self.0)
            .await
            .map_err(StoreError::failed)?;
        Ok(())
    }
}

fn found(member: Member) -> FoundUser<Member> {
    FoundUser { password: member.password.clone(), user: member }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let members = Members(
        PgPool::connect(
            &std::env::var("DATABASE_URL").unwrap_or("postgres://localhost/app".to_owned()),
        )
        .await?,
    );
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS members (
             id uuid PRIMARY KEY, email text NOT NULL, plan text NOT NULL DEFAULT 'free',
             password text NOT NULL,
             closed boolean NOT NULL DEFAULT false, last_login timestamptz
         );
         -- As `by_login` compares: ADA@ would else be another member, and neither could log in.
         CREATE UNIQUE INDEX IF NOT EXISTS members_by_email ON members (lower(email))",
    )
    .execute(&members.0)
    .await?;

    // Sessions and signing keys stay Countersign's.
    std::fs::create_dir_all("data")?;
    let store = SqliteStore::open("data/countersign.sqlite3".as_ref())?;
    let auth =
        Auth::builder(store).secret_file("data/secret").users(members.clone()).build().await?;

    let private = Router::new().route("/plan", get(plan)).route("/close", post(close));
    let public = Router::new().route("/signup", post(sign_up));
    let app = auth
        .protect(private)
        .merge(public)
        .with_state(App { auth: auth.clone(), members })
        .merge(auth.routes());

    let address = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

#[derive(Debug, Clone)]
struct App {
    auth: Auth,
    members: Members,
}

#[derive(Deserialize)]
struct SignUp {
    email: String,
    password: String,
}

async fn sign_up(
    State(app): State<App>,
    Json(new): Json<SignUp>,
) -> Result<(StatusCode, String), Problem> {
    let about =
        UserAttributes { username: &new.email, email: &new.email, first_name: "", last_name: "" };
    let mut problem = Problem::new(Code::ValidationError);
    for weakness in validate(&new.password, &about).err().into_iter().flatten() {
        problem = problem.field("password", weakness.to_string());
    }
    if problem.has_field_errors() {
        return Err(problem);
    }
    let password = Password::parse(new.password)
        .map_err(|error| problem.field("password", error.to_string()))?;
    // Anybody may sign up: behind those who are known.
    let encoded = app.auth.passwords().hash_of_stranger(&password).await?;
    let insert = sqlx::query(
        "INSERT INTO members (id, email, password) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    );
    let insert = insert.bind(Uuid::new_v4()).bind(&new.email).bind(encoded.as_str());
    match insert.execute(&app.members.0).await.map_err(StoreError::failed)?.rows_affected() {
        1 => Ok((StatusCode::CREATED, "Welcome. Now log in.".to_owned())),
        _ => {
            Err(Problem::new(Code::ValidationError).field("email", "This address cannot be used."))
        }
    }
}

/// The whole row, with the columns that Countersign knows nothing of.
async fn plan(me: CurrentUser<Member>) -> String {
    format!("{} has the plan {}.", me.email, me.plan)
}

/// Closes the account: every process forgets what it knew of the member, and every session ends.
async fn close(State(app): State<App>, me: CurrentUser<Member>) -> Result<StatusCode, Problem> {
    sqlx::query("UPDATE members SET closed = true WHERE id = $1")
        .bind(me.id)
        .execute(&app.members.0)
        .await
        .map_err(StoreError::failed)?;
    app.auth.user_changed(me.id()).await?;
    app.auth.end_sessions(me.id(), countersign::session::RevokedReason::UserInactive).await?;
    Ok(StatusCode::NO_CONTENT)
}
