//! What the layers and extractors promise, in front of an axum app, with tokens of the test's own.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::request::Parts;
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use countersign_verify::permission::{
    AllowAny, Ask, Denied, HasPerm, InGroup, IsAuthenticated, IsAuthenticatedOrReadOnly, IsStaff,
    IsSuperuser, Permission, RecentLogin,
};
use countersign_verify::{
    Account, Algorithm, Authenticator, Claims, Code, CurrentUser, Found, Identity, KeySet,
    ObjectPermission, Permitted, Problem, Protect, SessionId, TokenUser, UserId, Verifier,
    VerifyingKey, bearer, require,
};
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};
use tower::ServiceExt;

const KEY: &[u8] = b"a key of the test's own, thirty-two bytes and more";
const NOW: u64 = 10_000;

/// Tokens are checked as everywhere; half of the answers come at once, half of them later.
#[derive(Clone)]
struct Door {
    verifier: Arc<Verifier<TokenUser>>,
    waits: bool,
}

impl Door {
    fn new(waits: bool) -> Self {
        let keys = KeySet::new(vec![VerifyingKey::new(
            "k".to_owned(),
            Algorithm::HS256,
            DecodingKey::from_secret(KEY),
            u64::MAX,
        )]);
        Self { verifier: Arc::new(Verifier::new("test".to_owned(), None, keys, 100)), waits }
    }

    fn find(&self, request: &Parts) -> Found {
        let Some(token) = bearer(&request.headers)? else { return Ok(None) };
        let verified = self.verifier.check(token, NOW)?;
        let user = TokenUser::of(&verified.claims).unwrap();
        Ok(Some(Identity::new(self.verifier.remember(token, verified, user), NOW)))
    }
}

impl Authenticator for Door {
    fn known(&self, request: &Parts) -> Option<Found> {
        (!self.waits).then(|| self.find(request))
    }

    async fn identify(&self, request: &Parts) -> Found {
        tokio::task::yield_now().await;
        self.find(request)
    }
}

fn token(claims: &Value, logged_in_ago: u64) -> String {
    let mut all = Claims::new(
        "test".to_owned(),
        "7".to_owned(),
        SessionId::new(1).unwrap(),
        NOW - logged_in_ago,
        NOW,
        NOW + 300,
    );
    all.extra = claims.as_object().unwrap().clone();
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some("k".to_owned());
    jsonwebtoken::encode(&header, &all, &EncodingKey::from_secret(KEY)).unwrap()
}

async fn send(app: &Router, method: &str, path: &str, token: Option<&str>) -> (StatusCode, Value) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 65_536).await.unwrap();
    (
        status,
        serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned())),
    )
}

#[tokio::test]
async fn nobody_passes_without_a_token_and_the_app_never_sees_the_request() {
    for waits in [false, true] {
        let app = Router::new()
            .route("/", get(|who: Identity| async move { who.claims().sub.clone() }))
            .fallback(|| async { "the app was asked" })
            .layer(Protect::new(Door::new(waits)));
        assert_eq!(
            send(&app, "GET", "/", Some(&token(&json!({}), 0))).await,
            (StatusCode::OK, json!(7))
        );
        for path in ["/", "/nowhere"] {
            let (status, problem) = send(&app, "GET", path, None).await;
            assert_eq!(
                (status, &problem["code"]),
                (StatusCode::UNAUTHORIZED, &json!("not_authenticated")),
                "{path}"
            );
        }
        let (status, problem) = send(&app, "GET", "/", Some("bent")).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("token_invalid")));
    }
}

#[tokio::test]
async fn an_authenticator_as_it_is_documented_refuses_a_token_whose_time_is_over() {
    let app = Router::new().route("/", get(|| async {})).layer(Protect::new(Door::new(true)));
    let until = |end: u64| {
        let session = SessionId::new(1).unwrap();
        let (issuer, user) = ("test".to_owned(), "7".to_owned());
        let claims = Claims::new(issuer, user, session, NOW - 300, NOW - 300, end);
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some("k".to_owned());
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(KEY)).unwrap()
    };
    assert_eq!(send(&app, "GET", "/", Some(&until(NOW + 1))).await.0, StatusCode::OK);
    let (status, problem) = send(&app, "GET", "/", Some(&until(NOW))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("token_expired")));
}

#[tokio::test]
async fn no_shared_cache_keeps_what_a_user_was_told() {
    let headers = async |waits: bool, path: &str, token: Option<&str>| {
        let own = [("cache-control", "public, max-age=60"), ("vary", "accept")];
        let app = Router::new()
            .route("/", get(|| async { [("vary", "accept")] }))
            .route("/same-for-all", get(move || async move { own }))
            .layer(Protect::with(Door::new(waits), AllowAny));
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let all = |name| {
            let values = answer.headers().get_all(name).iter();
            values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>().join(", ")
        };
        (all("cache-control"), all("vary"))
    };
    let token = token(&json!({}), 0);
    let private = ("private".to_owned(), "accept, authorization".to_owned());
    let own = ("public, max-age=60".to_owned(), "accept".to_owned());
    for waits in [false, true] {
        assert_eq!(headers(waits, "/", Some(&token)).await, private);
        assert_eq!(headers(waits, "/", None).await, private, "nobody is told something else");
        assert_eq!(headers(waits, "/same-for-all", Some(&token)).await, own);
        assert_eq!(headers(waits, "/", Some("bent")).await.0, "no-store");
    }
}

#[tokio::test]
async fn each_permission_lets_in_whom_it_names_and_says_so_to_others() {
    let nobody = None;
    let plain = token(&json!({}), 0);
    let staff = token(&json!({"is_staff": true}), 0);
    let root = token(&json!({"is_superuser": true}), 0);
    let editor = token(&json!({"groups": ["editors"], "permissions": ["articles.publish"]}), 0);
    let stale = token(&json!({}), 301);
    let everyone = [nobody, Some(&plain), Some(&staff), Some(&root), Some(&editor), Some(&stale)];

    async fn let_in<P: Permission>(
        permission: P,
        method: &str,
        everyone: &[Option<&String>],
    ) -> Vec<u16> {
        let app = Router::new()
            .route("/", get(|| async {}).post(|| async {}))
            .layer(Protect::with(Door::new(false), permission));
        let mut answers = Vec::new();
        for token in everyone {
            answers.push(send(&app, method, "/", token.map(String::as_str)).await.0.as_u16());
        }
        answers
    }

    assert_eq!(let_in(AllowAny, "GET", &everyone).await, [200, 200, 200, 200, 200, 200]);
    assert_eq!(let_in(IsAuthenticated, "GET", &everyone).await, [401, 200, 200, 200, 200, 200]);
    assert_eq!(
        let_in(IsAuthenticatedOrReadOnly, "GET", &everyone).await,
        [200, 200, 200, 200, 200, 200]
    );
    assert_eq!(
        let_in(IsAuthenticatedOrReadOnly, "POST", &everyone).await,
        [401, 200, 200, 200, 200, 200]
    );
    assert_eq!(let_in(IsStaff, "GET", &everyone).await, [401, 403, 200, 403, 403, 403]);
    assert_eq!(let_in(IsSuperuser, "GET", &everyone).await, [401, 403, 403, 200, 403, 403]);
    assert_eq!(
        let_in(HasPerm("articles.publish"), "GET", &everyone).await,
        [401, 403, 403, 200, 200, 403]
    );
    assert_eq!(let_in(InGroup("editors"), "GET", &everyone).await, [401, 403, 403, 403, 200, 403]);
    assert_eq!(let_in(RecentLogin(5), "GET", &everyone).await, [401, 200, 200, 200, 200, 401]);
    assert_eq!(
        let_in(IsStaff.or(InGroup("editors")), "GET", &everyone).await,
        [401, 403, 200, 403, 200, 403]
    );
    assert_eq!(
        let_in(IsAuthenticated.and(IsStaff.not()), "GET", &everyone).await,
        [401, 200, 403, 200, 200, 200]
    );

    let app = Router::new()
        .route("/", get(|| async {}))
        .layer(Protect::with(Door::new(false), IsStaff.or(HasPerm("articles.publish"))));
    let (_, problem) = send(&app, "GET", "/", Some(&plain)).await;
    assert_eq!(problem["code"], "permission_denied");
    assert!(
        problem["detail"].as_str().unwrap().contains("IsStaff or articles.publish"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_login_that_is_too_old_is_told_to_log_in_again_and_how_recently() {
    let app = Router::new()
        .route("/", post(|| async {}))
        .layer(Protect::with(Door::new(false), RecentLogin(5)));
    let request = Request::post("/")
        .header("authorization", format!("Bearer {}", token(&json!({}), 301)))
        .body(Body::empty())
        .unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("insufficient_user_authentication") && challenge.contains("max_age=300"),
        "{challenge}"
    );
    let problem: Value =
        serde_json::from_slice(&to_bytes(response.into_body(), 65_536).await.unwrap()).unwrap();
    assert_eq!(problem["code"], "recent_login_required");
}

#[derive(Debug, Default)]
struct FromOurApp;

impl Permission for FromOurApp {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        let is_ours = ask.request.headers.get("x-app").is_some_and(|app| app == "ours");
        if is_ours && ask.who.is_some_and(|who| who.account().username() == "ada") {
            Ok(())
        } else {
            Err(Denied::new("FromOurApp"))
        }
    }
}

#[tokio::test]
async fn a_permission_of_ones_own_sees_the_user_and_the_request_as_layer_and_as_extractor() {
    let app = Router::new()
        .route("/layer", get(|| async { "in" }).layer(require(FromOurApp)))
        .route(
            "/extractor",
            get(|who: Permitted<FromOurApp>| async move {
                who.identity().account().username().to_owned()
            }),
        )
        .layer(Protect::new(Door::new(false)));
    let ada = token(&json!({"username": "ada"}), 0);
    for path in ["/layer", "/extractor"] {
        let (status, problem) = send(&app, "GET", path, Some(&ada)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        assert!(problem["detail"].as_str().unwrap().contains("FromOurApp"));
        let request = Request::get(path)
            .header("authorization", format!("Bearer {ada}"))
            .header("x-app", "ours");
        assert_eq!(
            app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status(),
            StatusCode::OK,
            "{path}"
        );
    }
}

#[tokio::test]
async fn extractors_and_layers_outside_of_any_protection_lock_the_route() {
    let app: Router = Router::new()
        .route("/identity", get(|_: Identity| async {}))
        .route("/claims", get(|_: Claims| async {}))
        .route("/user", get(|_: CurrentUser<TokenUser>| async {}))
        .route("/permitted", get(|_: Permitted<IsAuthenticated>| async {}))
        .route("/layer", get(|| async {}).layer(require(IsAuthenticated)))
        .route("/maybe", get(|who: Option<Identity>| async move { who.is_none().to_string() }));
    for path in ["/identity", "/claims", "/user", "/permitted", "/layer"] {
        let (status, problem) = send(&app, "GET", path, Some(&token(&json!({}), 0))).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::UNAUTHORIZED, &json!("not_authenticated")),
            "{path}"
        );
    }
    assert_eq!(send(&app, "GET", "/maybe", None).await, (StatusCode::OK, json!(true)));
}

#[derive(Debug)]
struct Stranger;

impl Account for Stranger {
    fn id(&self) -> UserId {
        1.into()
    }
    fn username(&self) -> &str {
        "stranger"
    }
}

#[tokio::test]
async fn the_user_is_of_the_type_that_the_app_keeps_users_in_and_of_no_other() {
    let app = Router::new()
        .route(
            "/right",
            get(|me: CurrentUser<TokenUser>| async move {
                Json(json!({"name": me.username, "sub": me.identity().claims().sub}))
            }),
        )
        .route("/wrong", get(|_: CurrentUser<Stranger>| async {}))
        .route(
            "/maybe",
            get(|me: Option<CurrentUser<TokenUser>>| async move {
                me.map_or_else(|| "nobody".to_owned(), |me| me.username.clone())
            }),
        )
        .layer(Protect::with(Door::new(false), AllowAny));
    let ada = token(&json!({"username": "ada"}), 0);
    assert_eq!(send(&app, "GET", "/right", Some(&ada)).await.1, json!({"name": "ada", "sub": "7"}));
    assert_eq!(send(&app, "GET", "/wrong", Some(&ada)).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(send(&app, "GET", "/maybe", Some(&ada)).await.1, json!("ada"));
    assert_eq!(send(&app, "GET", "/maybe", None).await.1, json!("nobody"));
}

struct Article {
    author: UserId,
}

struct IsAuthor;

impl ObjectPermission<Article> for IsAuthor {
    fn check(&self, who: &Identity, article: &Article) -> Result<(), Denied> {
        if who.account().id() == article.author { Ok(()) } else { Err(Denied::new("IsAuthor")) }
    }
}

#[tokio::test]
async fn an_object_is_checked_once_it_is_loaded() {
    async fn publish(
        who: Identity,
        axum::extract::Path(author): axum::extract::Path<i64>,
    ) -> Result<&'static str, Problem> {
        let article = Article { author: author.into() };
        who.may(&IsAuthor, &article)?;
        Ok("published")
    }
    let app = Router::new().route("/{author}", post(publish)).layer(Protect::new(Door::new(false)));
    let seven = token(&json!({}), 0);
    assert_eq!(send(&app, "POST", "/7", Some(&seven)).await.0, StatusCode::OK);
    let (status, problem) = send(&app, "POST", "/8", Some(&seven)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("permission_denied")));
}

#[test]
#[should_panic(expected = "can never be given to anybody")]
fn permissions_that_contradict_each_other_stop_the_start() {
    let _ = require(IsStaff.and(IsStaff.not()));
}

#[tokio::test]
async fn a_grpc_client_gets_the_status_that_it_understands() {
    let app: Router =
        Router::new().route("/", post(|| async {})).layer(Protect::new(Door::new(false)));
    let request = Request::post("/")
        .header("content-type", "application/grpc+proto")
        .body(Body::empty())
        .unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        (
            response.headers()["grpc-status"].as_bytes(),
            response.headers()["grpc-message"].as_bytes()
        ),
        (&b"16"[..], &b"not_authenticated"[..])
    );
}

#[test]
fn every_code_of_a_refusal_is_on_the_list() {
    assert!(Code::ALL.contains(&Code::RecentLoginRequired));
}
