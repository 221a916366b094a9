//! What must not be in anybody's log.

use std::io::Write;

use countersign::user::User;

use super::*;

/// A row that holds what no log should see, and prints it.
#[derive(Debug, Clone, serde::Serialize)]
struct Row {
    id: UserId,
    #[serde(skip)]
    #[expect(dead_code, reason = "it is here to be printed")]
    password_column: String,
}

impl Account for Row {
    fn id(&self) -> UserId {
        self.id
    }
    fn username(&self) -> &str {
        "ada"
    }
}

#[derive(Debug)]
struct Rows(EncodedPassword);

impl Rows {
    fn row(&self) -> Option<FoundUser<Row>> {
        Some(FoundUser {
            user: Row { id: UserId::new(41), password_column: self.0.as_str().to_owned() },
            password: self.0.clone(),
        })
    }
}

#[async_trait::async_trait]
impl Users for Rows {
    type User = Row;

    async fn by_login(&self, _: &str) -> Result<Option<FoundUser<Row>>, StoreError> {
        Ok(self.row())
    }

    async fn by_id(&self, _: UserId) -> Result<Option<FoundUser<Row>>, StoreError> {
        Ok(self.row())
    }

    async fn set_password(
        &self,
        _: UserId,
        _: &EncodedPassword,
        _: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn note_login(&self, _: UserId, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_current_user_of_a_wrong_type_is_told_by_the_types_names_and_no_row_is_in_the_log() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let (builder, _directory, _) = builder();
    let hash =
        Members::with(cheap(), &["41"]).await.0.lock().unwrap().rows[&UserId::new(41)].1.clone();
    let auth = builder.users(Rows(hash.clone())).build().await.unwrap();
    let wrong = Router::new()
        .route("/wrong", axum::routing::get(|_: countersign::CurrentUser<User>| async {}))
        .route(
            "/told",
            axum::routing::get(
                |me: countersign::CurrentUser<Row>| async move { format!("{me:?}") },
            ),
        );
    let app = auth.protect(wrong).merge(auth.routes());
    let token = log_in(&app, "ada").await;
    let token = text(&token, "access_token");
    assert_eq!(
        send(&app, with_token("GET", "/wrong", token)).await.0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    let told = app.clone().oneshot(with_token("GET", "/told", token)).await.unwrap();
    let told = to_bytes(told.into_body(), 65_536).await.unwrap();
    assert!(told.starts_with(b"CurrentUser"), "{told:?}");
    assert!(!String::from_utf8_lossy(&told).contains("argon2"), "{told:?}");

    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("countersign::user::User") && log.contains("log::Row"), "{log}");
    assert!(!log.contains(hash.as_str()) && !log.contains("password_column"), "{log}");
}
