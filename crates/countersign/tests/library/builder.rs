use countersign::web::cookies::{CookieSettings, SameSite};

use super::*;

/// What `build()` says to a mistake.
async fn refusal(mistake: impl FnOnce(AuthBuilder) -> AuthBuilder) -> String {
    let (builder, _directory, _) = builder();
    mistake(builder).build().await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_mistake_stops_the_start_with_a_sentence_that_says_what_to_do() {
    let zero = Duration::ZERO;
    for (said, wanted) in [
        (refusal(|b| b.allow_origins(["app.example.com"])).await, "https://"),
        (
            refusal(|b| b.public_url("app.example.com")).await,
            "write it like https://app.example.com",
        ),
        (refusal(|b| b.access_lifetime(zero)).await, "access_lifetime must be between 1"),
        (
            refusal(|b| b.session_lifetime(40 * MINUTE, 30 * MINUTE)).await,
            "raise the latter or lower the former",
        ),
        (refusal(|b| b.base_path("accounts")).await, "must begin with a slash"),
        (refusal(|b| b.issuer("")).await, "issuer is empty"),
        (refusal(|b| b.audience("")).await, "audience is empty"),
        (
            refusal(|b| {
                let mut cookies = CookieSettings::default();
                cookies.refresh = Some("__Host-refreshtoken".to_owned());
                cookies.domain = Some("example.com".to_owned());
                b.public_url("https://app.example.com").cookies(cookies)
            })
            .await,
            "__Host-",
        ),
        (
            refusal(|b| {
                let mut cookies = CookieSettings::default();
                cookies.same_site = SameSite::None;
                b.cookies(cookies)
            })
            .await,
            "https",
        ),
    ] {
        assert!(said.contains(wanted), "{said:?} says nothing of {wanted:?}");
    }
}

#[tokio::test]
async fn without_a_secret_there_is_no_start() {
    let directory = tempfile::tempdir().unwrap();
    let open = || SqliteStore::open(&directory.path().join("test.sqlite3")).unwrap();
    let said = Auth::builder(open()).build().await.unwrap_err().to_string();
    assert!(said.contains("secret_file()"), "{said}");
    let file = directory.path().join("secret");
    Auth::builder(open()).secret_file(&file).build().await.unwrap();
    assert!(file.exists(), "the first start makes it");
    Auth::builder(open()).secret_file(&file).build().await.unwrap();
}

#[tokio::test]
async fn path_and_lifetimes_are_chosen() {
    let (builder, _directory, clock) = builder();
    let members = Members::with(cheap(), &["41"]).await;
    let auth = builder
        .users(members)
        .base_path("/auth/v2")
        .access_lifetime(MINUTE)
        .audience("shop")
        .build()
        .await
        .unwrap();
    let app = auth.routes();
    let (status, answer) = send(
        &app,
        post(
            "/auth/v2/login",
            &json!({"username": "nick-41", "password": PASSWORD, "transport": "body"}),
        ),
    )
    .await;
    assert_eq!((status, &answer["expires_in"]), (StatusCode::OK, &json!(60)));
    let profile = || with_token("GET", "/auth/v2/profile", text(&answer, "access_token"));
    assert_eq!(send(&app, profile()).await.0, StatusCode::OK);
    clock.advance(MINUTE);
    assert_eq!(send(&app, profile()).await.1["code"], "token_expired");
    assert_eq!(send(&app, post("/accounts/login", &json!({}))).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_a_method_chose_counts_whether_settings_come_before_or_after() {
    let members = Members::with(cheap(), &["41"]).await;
    let settings = || {
        let mut settings = countersign::Settings::default();
        settings.hash = cheap();
        settings.base_path = "/auth".to_owned();
        settings.access_lifetime = 2 * MINUTE;
        settings
    };
    let (first, _one, _) = builder();
    let (second, _two, _) = builder();
    for builder in [
        first.settings(settings()).access_lifetime(MINUTE).sessions_per_user(1),
        second.access_lifetime(MINUTE).sessions_per_user(1).settings(settings()),
    ] {
        let app = builder.users(members.clone()).build().await.unwrap().routes();
        let body = json!({"username": "nick-41", "password": PASSWORD, "transport": "body"});
        let (status, first) = send(&app, post("/auth/login", &body)).await;
        assert_eq!((status, &first["expires_in"]), (StatusCode::OK, &json!(60)));
        send(&app, post("/auth/login", &body)).await;
        let old = with_token("GET", "/auth/profile", text(&first, "access_token"));
        assert_eq!(send(&app, old).await.1["code"], "session_revoked", "one session at a time");
    }
}
