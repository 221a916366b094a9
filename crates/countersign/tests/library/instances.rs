//! Several `Auth` on one store, with one secret: tenants of one program.

use std::sync::Arc;

use countersign::store::Store;

use super::*;

struct House {
    store: Arc<dyn Store>,
    _directory: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&directory.path().join("test.sqlite3")).unwrap());
        Self { store, _directory: directory }
    }

    /// A tenant with members of its own; each has a member 41.
    async fn tenant(&self, settle: impl FnOnce(AuthBuilder) -> AuthBuilder) -> Router {
        let builder = Auth::builder_on(Arc::clone(&self.store))
            .secrets(Secrets::from_text("only for tests, only for tests, only").unwrap())
            .hash(cheap())
            .users(Members::with(cheap(), &["41"]).await);
        settle(builder).build().await.unwrap().routes()
    }
}

async fn code_of(app: &Router, path: &str, login: &Value) -> (StatusCode, Value) {
    let (status, answer) =
        send(app, post(path, &json!({"refresh_token": text(login, "refresh_token")}))).await;
    (status, answer["code"].clone())
}

#[tokio::test]
async fn a_tenants_tokens_are_nothing_at_another_tenant() {
    let house = House::new();
    let acme = house.tenant(|auth| auth.public_url("https://acme.example.com")).await;
    for other in [
        house.tenant(|auth| auth.public_url("https://other.example.com")).await,
        house.tenant(|auth| auth.public_url("https://acme.example.com").audience("other")).await,
        house
            .tenant(|auth| {
                auth.public_url("https://acme.example.com").issuer("https://other.example.com")
            })
            .await,
        house
            .tenant(|auth| {
                auth.public_url("https://acme.example.com").issuer("other").instance("other")
            })
            .await,
    ] {
        let login = log_in(&acme, "nick-41").await;
        let refused = (StatusCode::UNAUTHORIZED, json!("refresh_token_invalid"));
        assert_eq!(code_of(&other, "/accounts/refresh", &login).await, refused);
        assert_eq!(
            code_of(&other, "/accounts/logout", &login).await,
            refused,
            "nor can it end the session there"
        );
        let profile =
            send(&other, with_token("GET", "/accounts/profile", text(&login, "access_token")))
                .await;
        assert_eq!(profile.1["code"], "token_invalid");
        assert_eq!(
            code_of(&acme, "/accounts/refresh", &login).await.0,
            StatusCode::OK,
            "at home it is as good as ever"
        );
    }
}

#[tokio::test]
async fn nobody_is_logged_out_because_instances_have_names_now() {
    let house = House::new();
    // As every version before had it.
    let before = house.tenant(|auth| auth.instance("")).await;
    let login = log_in(&before, "nick-41").await;
    let after = house.tenant(|auth| auth).await;
    let (status, refreshed) = send(
        &after,
        post("/accounts/refresh", &json!({"refresh_token": text(&login, "refresh_token")})),
    )
    .await;
    assert_eq!(status, StatusCode::OK, "{refreshed}");
    assert_eq!(
        code_of(&before, "/accounts/refresh", &refreshed).await.1,
        "refresh_token_invalid",
        "the new one has a name"
    );
    let named = house.tenant(|auth| auth.instance("acme")).await;
    assert_eq!(
        code_of(&named, "/accounts/refresh", &login).await.1,
        "refresh_token_invalid",
        "who chose a name takes no other"
    );
}

#[tokio::test]
async fn the_only_instance_of_a_store_may_change_its_issuer() {
    let house = House::new();
    let before = house.tenant(|auth| auth.instance("").public_url("http://localhost:8000")).await;
    let login = log_in(&before, "nick-41").await;
    let moved = house.tenant(|auth| auth.instance("").public_url("https://id.example.com")).await;
    assert_eq!(code_of(&moved, "/accounts/refresh", &login).await.0, StatusCode::OK);
}

#[tokio::test]
async fn two_tenants_in_one_router_share_keys_and_the_hashing_pool() {
    let house = House::new();
    let pool = countersign::password::Passwords::new(cheap()).unwrap();
    let auth = async |path: &str| {
        Auth::builder_on(Arc::clone(&house.store))
            .secrets(Secrets::from_text("only for tests, only for tests, only").unwrap())
            .users(Members::with(cheap(), &["41"]).await)
            .passwords(pool.clone())
            .base_path(path)
            .instance(path)
            .build()
            .await
            .unwrap()
    };
    let (acme, other) = (auth("/acme").await, auth("/other").await);
    let app = acme.account_routes().merge(other.account_routes()).merge(acme.well_known_routes());
    let body = json!({"username": "nick-41", "password": PASSWORD, "transport": "body"});
    let (status, login) = send(&app, post("/acme/login", &body)).await;
    assert_eq!(status, StatusCode::OK, "{login}");
    assert_eq!(send(&app, post("/other/login", &body)).await.0, StatusCode::OK);
    let refused = code_of(&app, "/other/refresh", &login).await;
    assert_eq!(refused, (StatusCode::UNAUTHORIZED, json!("refresh_token_invalid")));
    assert_eq!(code_of(&app, "/acme/refresh", &login).await.0, StatusCode::OK);
    let keys = Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap();
    assert_eq!(send(&app, keys).await.0, StatusCode::OK);
}
