use countersign::events::{Event, Events};

use super::*;

#[derive(Debug, Clone, Default)]
pub(super) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: &str, event: &Event<'_>) {
        let user = event.user.map_or_else(|| "nobody".to_owned(), |user| user.to_string());
        let name = event.account.map_or("?", |account| account.username()).to_owned();
        let session = if event.session.is_some() { "a session" } else { "none" };
        self.0.lock().unwrap().push(format!("{what}: {user} {name} {session}"));
    }

    pub(super) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Events for Diary {
    fn on_login(&self, event: &Event<'_>) {
        self.note("login", event);
    }
    fn on_login_failed(&self, event: &Event<'_>, login: &str) {
        self.note(&format!("failed as {login}"), event);
    }
    fn on_throttled(&self, event: &Event<'_>) {
        self.note("throttled", event);
    }
    fn on_refresh(&self, event: &Event<'_>) {
        self.note("refresh", event);
    }
    fn on_logout(&self, event: &Event<'_>) {
        self.note("logout", event);
    }
    fn on_logout_all(&self, event: &Event<'_>) {
        self.note("logout all", event);
    }
    fn on_theft(&self, event: &Event<'_>) {
        self.note("theft", event);
    }
    fn on_password_changed(&self, event: &Event<'_>) {
        self.note("password", event);
    }
}

#[tokio::test]
async fn an_app_hears_of_everything_once() {
    let (builder, _directory, clock) = builder();
    let diary = Diary::default();
    let members = Members::with(cheap(), &["41"]).await;
    let auth = builder.users(members).events(diary.clone()).build().await.unwrap();
    let app = auth.routes();

    let first = log_in(&app, "nick-41").await;
    assert_eq!(diary.taken(), ["login: 41 nick-41 a session"]);

    let (_, second) = send(
        &app,
        post("/accounts/refresh", &json!({"refresh_token": text(&first, "refresh_token")})),
    )
    .await;
    clock.advance(MINUTE);
    let (_, third) = send(
        &app,
        post("/accounts/refresh", &json!({"refresh_token": text(&second, "refresh_token")})),
    )
    .await;
    clock.advance(MINUTE);
    send(&app, post("/accounts/refresh", &json!({"refresh_token": text(&third, "refresh_token")})))
        .await;
    assert_eq!(diary.taken(), ["refresh: 41 nick-41 a session"; 3]);

    // Two generations old, and long after: somebody else has it.
    clock.advance(MINUTE);
    let (_, problem) = send(
        &app,
        post("/accounts/refresh", &json!({"refresh_token": text(&first, "refresh_token")})),
    )
    .await;
    assert_eq!(problem["code"], "refresh_token_reused");
    assert_eq!(diary.taken(), ["theft: 41 nick-41 a session"]);

    for _ in 0..5 {
        send(&app, post("/accounts/login", &json!({"username": "nick-41", "password": "wrong"})))
            .await;
    }
    assert_eq!(diary.taken(), ["failed as nick-41: 41 nick-41 none"; 5]);
    send(&app, post("/accounts/login", &json!({"username": "nick-41", "password": PASSWORD})))
        .await;
    assert_eq!(diary.taken(), ["throttled: 41 nick-41 none"]);
    send(&app, post("/accounts/login", &json!({"username": "nemo", "password": "wrong"}))).await;
    assert_eq!(diary.taken(), ["failed as nemo: nobody ? none"]);

    clock.advance(60 * MINUTE);
    let (mine, other) = (log_in(&app, "nick-41").await, log_in(&app, "nick-41").await);
    let mut change = post(
        "/accounts/password",
        &json!({"old_password": PASSWORD, "new_password": "copper lantern 27"}),
    );
    change.headers_mut().insert(
        "authorization",
        format!("Bearer {}", text(&mine, "access_token")).parse().unwrap(),
    );
    assert_eq!(send(&app, change).await.0, StatusCode::NO_CONTENT);
    send(&app, with_token("POST", "/accounts/logout", text(&mine, "access_token"))).await;
    send(&app, with_token("POST", "/accounts/logout", text(&mine, "access_token"))).await;
    let heard = diary.taken();
    assert_eq!(
        heard[2..],
        ["password: 41 nick-41 a session", "logout: 41 ? a session"],
        "a session ends once: {other}"
    );
}
