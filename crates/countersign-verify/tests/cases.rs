//! The cases of `tests/verify-cases.json`, which the verifying packages of other languages are
//! tested with too: what they promise is what this crate does.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Request, Response};
use axum::routing::get;
use countersign_verify::permission::{
    AllowAny, Ask, Denied, HasFactor, HasPerm, InGroup, IsAuthenticated, IsAuthenticatedOrReadOnly,
    IsStaff, IsSuperuser, ModelPerm, Permission, RecentLogin, Rule,
};
use countersign_verify::{Identity, Protect, ResourceServer, TokenUser};
use serde_json::{Value, json};
use tower::ServiceExt;

#[tokio::test(flavor = "multi_thread")]
async fn every_case_is_answered_as_the_file_says() {
    let text = include_str!("../../../tests/verify-cases.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let mut followed = HashMap::new();
    let mut wrong = Vec::new();
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        let followed = match followed.get(&issuer_of(case)) {
            Some(known) => ResourceServer::clone(known),
            None => {
                let new = follow(&file, case).await;
                followed.insert(issuer_of(case), new.clone());
                new
            }
        };
        let expected = expected(&file, &case["answer"]);
        if case["answer"]["code"] == "enrolment_required" {
            // By a way of its own too, such as the first message on a WebSocket.
            let refused = followed.verify(token_of(case)).await.unwrap_err();
            assert_eq!(refused.code().as_str(), "enrolment_required");
        }
        let got = ask(&followed, case).await;
        if got != expected {
            wrong.push(format!("{}:\n  got      {got}\n  expected {expected}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() > 300);
}

/// The access token that a case shows.
fn token_of(case: &Value) -> &str {
    let headers = case["headers"].as_array().unwrap().iter();
    let mut values = headers.filter_map(|header| header[1].as_str()?.strip_prefix("Bearer "));
    values.next().unwrap()
}

/// What tells one followed issuer from another.
fn issuer_of(case: &Value) -> String {
    json!([case["key_set"], case["list"], case["settings"], case["now"]]).to_string()
}

/// A service that has read the case's key set and list, if they are good.
async fn follow(file: &Value, case: &Value) -> ResourceServer {
    let name = |of: &str| case[of].as_str().unwrap_or("usual").to_owned();
    let key_set = file["key_sets"][name("key_set")].to_string();
    let list = file["lists"][name("list")].as_str().expect("a list").to_owned();
    let asked = Arc::new(AtomicUsize::new(0));
    let told = |asked: State<Arc<AtomicUsize>>| async move {
        asked.fetch_add(1, Ordering::SeqCst);
        list
    };
    let app = Router::new()
        .route("/.well-known/jwks.json", get(|| async { key_set }))
        .route("/.well-known/revocations", get(told))
        .with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let now = case["now"].as_u64().unwrap_or(file["now"].as_u64().unwrap());
    let mut builder = ResourceServer::builder(url)
        .issuer(file["issuer"].as_str().unwrap())
        .poll_interval(Duration::from_millis(50))
        .clock(move || now);
    if let Some(audience) = case["settings"]["audience"].as_str() {
        builder = builder.audience(audience);
    }
    for (group, may) in case["settings"]["groups"].as_object().into_iter().flatten() {
        builder = builder.group(group, may.as_array().unwrap().iter().filter_map(Value::as_str));
    }
    let server = builder.build().unwrap();
    // A bad list has been read once it is asked for again.
    while !server.is_ready() && asked.load(Ordering::SeqCst) < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server
}

async fn ask(server: &ResourceServer, case: &Value) -> Value {
    let mut request = Request::builder()
        .method(case["method"].as_str().unwrap_or("GET"))
        .uri(case["path"].as_str().unwrap_or("/"));
    for header in case["headers"].as_array().unwrap() {
        request = request.header(header[0].as_str().unwrap(), header[1].as_str().unwrap());
    }
    let permission = if case["permission"].is_null() {
        Named(Box::new(IsAuthenticated))
    } else {
        named(&case["permission"])
    };
    let mut layer = server.layer_with(Shared(Arc::new(permission)));
    if case["preflights"] == true {
        layer = layer.let_preflights_through();
    }
    answer(request.body(Body::empty()).unwrap(), layer).await
}

async fn answer(request: Request<Body>, layer: Protect<ResourceServer, Shared>) -> Value {
    let app = Router::new().fallback(who).layer(layer);
    let response: Response<Body> = app.oneshot(request).await.unwrap();
    let header = |name: &str| {
        response.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
    };
    let (status, kind) = (response.status().as_u16(), header("content-type"));
    let (challenge, retry) = (header("www-authenticate"), header("retry-after"));
    if let Some(user) = header(USER) {
        return json!({"user": serde_json::from_str::<Value>(&user).unwrap()});
    }
    let body = to_bytes(response.into_body(), 65_536).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    json!({"status": status, "kind": kind, "challenge": challenge, "retry_after": retry,
        "body": body})
}

/// What the handler behind the layer tells of who is asking. A header, as HEAD has no body.
const USER: &str = "x-user";

async fn who(who: Option<Identity>) -> [(&'static str, String); 1] {
    let user = who.as_ref().and_then(|who| who.user::<TokenUser>()).map(|user| {
        json!({
            "id": user.id.to_string(),
            "username": user.username,
            "email": user.email,
            "email_verified": user.email_verified,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "is_staff": user.is_staff,
            "is_superuser": user.is_superuser,
            "groups": user.groups,
            "permissions": user.permissions,
        })
    });
    [(USER, json!(user).to_string())]
}

fn expected(file: &Value, answer: &Value) -> Value {
    let Some(code) = answer["code"].as_str() else { return answer.clone() };
    let usual = &file["problems"][code];
    let or = |name: &str| match &answer[name] {
        Value::Null => usual[name].clone(),
        own => own.clone(),
    };
    json!({
        "status": usual["status"],
        "kind": "application/problem+json",
        "challenge": or("challenge"),
        "retry_after": answer["retry_after"],
        "body": {
            "type": format!("urn:countersign:problem:{code}"),
            "title": usual["title"],
            "status": usual["status"],
            "detail": or("detail"),
            "code": code,
        },
    })
}

/// A permission of the file.
fn named(of: &Value) -> Named {
    let text = || of[1].as_str().expect("a name").to_owned();
    Named(match of[0].as_str().expect("a permission") {
        "AllowAny" => Box::new(AllowAny),
        "IsAuthenticated" => Box::new(IsAuthenticated),
        "IsAuthenticatedOrReadOnly" => Box::new(IsAuthenticatedOrReadOnly),
        "IsStaff" => Box::new(IsStaff),
        "IsSuperuser" => Box::new(IsSuperuser),
        "HasPerm" => Box::new(HasPerm(text())),
        "ModelPerm" => Box::new(ModelPerm(text())),
        "InGroup" => Box::new(InGroup(text())),
        "HasFactor" => Box::new(HasFactor),
        "RecentLogin" => Box::new(RecentLogin(of[1].as_u64().unwrap().try_into().unwrap())),
        "And" => Box::new(named(&of[1]).and(named(&of[2]))),
        "Or" => Box::new(named(&of[1]).or(named(&of[2]))),
        "Not" => Box::new(named(&of[1]).not()),
        other => panic!("there is no permission {other}"),
    })
}

/// A permission as it prints itself.
struct Named(Box<dyn Permission>);

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Permission for Named {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        self.0.check(ask)
    }

    fn rule(&self) -> Rule {
        self.0.rule()
    }
}

/// Such a one, for a layer that can be copied.
#[derive(Debug, Clone)]
struct Shared(Arc<Named>);

impl Permission for Shared {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        self.0.check(ask)
    }

    fn rule(&self) -> Rule {
        self.0.rule()
    }
}
