//! Pages that the server renders: a browser that follows links and sends forms gets in by its
//! cookies, and by nothing else.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response as Answer};
use axum::routing::{any, get, post as on_post};
use countersign::http::{CsrfField, NextPage, Peer, Problem};
use countersign::permission::{AllowAny, RecentLogin};
use countersign::session::device::DeviceBinding;
use countersign::session::{RevokedReason, Transport};
use countersign::web::cookies::{CookieSettings, SameSite};
use countersign::{CurrentUser, Identity, require};

use super::*;

/// What a browser keeps and sends.
#[derive(Default, Clone)]
pub(super) struct Jar(pub(super) BTreeMap<String, String>);

impl Jar {
    pub(super) fn take(&mut self, answer: &Response<Body>) {
        for line in answer.headers().get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if line.contains("Max-Age=0") {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Without this cookie, as a browser whose copy of it is over.
    fn without(&self, name: &str) -> Self {
        let mut jar = self.clone();
        jar.0.remove(name).unwrap();
        jar
    }

    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Request<Body> {
        let line: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(path);
        if !line.is_empty() {
            request = request.header("cookie", line.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::from(body.to_owned())).unwrap()
    }
}

pub(super) struct Site {
    pub(super) auth: Auth,
    pub(super) app: Router,
    pub(super) clock: Arc<ManualClock>,
    _directory: tempfile::TempDir,
}

async fn show(me: CurrentUser<Member>, csrf: CsrfField) -> String {
    format!("{} {csrf}", me.nickname)
}

async fn written(who: Identity, body: String) -> String {
    format!("{} wrote {} bytes", who.account().username(), body.len())
}

async fn log_in_by_form(
    State(auth): State<Auth>,
    client: Peer,
    form: String,
) -> Result<Answer, Problem> {
    let next = url::form_urlencoded::parse(form.as_bytes()).find(|(name, _)| name == "next");
    let next = next.and_then(|(_, next)| NextPage::parse(&next)).unwrap_or_default();
    Ok(auth.log_in(UserId::new(41), Transport::Cookie, &client).await?.redirect(&next))
}

async fn log_out_by_form(
    State(auth): State<Auth>,
    who: Identity,
    client: Peer,
) -> Result<Answer, Problem> {
    Ok(auth.log_out(&who, &client).await?.redirect(&NextPage::default()))
}

impl Site {
    pub(super) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(super) async fn with(change: impl FnOnce(AuthBuilder) -> AuthBuilder) -> Self {
        let (builder, directory, clock) = builder();
        let members = Members::with(cheap(), &["41", "42"]).await;
        let auth = change(builder.users(members)).build().await.unwrap();
        let pages = Router::new()
            .route("/account", get(show).post(written))
            .route("/secret", get(show).layer(require(RecentLogin(2))))
            .route("/socket", any(sockets::open))
            .route("/logout", on_post(log_out_by_form));
        let pages = auth.protect_pages("/login", pages.with_state(auth.clone()));
        let front = get(|me: Option<Identity>| async move { axum::Json(json!(me.is_some())) });
        let front = auth.protect_pages_with(AllowAny, "/login", Router::new().route("/", front));
        let login = Router::new()
            .route(
                "/login",
                get(|next: NextPage| async move { next.to_string() }).post(log_in_by_form),
            )
            .with_state(auth.clone());
        let app = Router::new()
            .nest("/my", pages)
            .merge(front)
            .merge(auth.check_origins(login))
            .merge(auth.protect(Router::new().route("/api", get(|| async {}))))
            .merge(auth.routes());
        Self { auth, app, clock, _directory: directory }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.app.clone().oneshot(request).await.unwrap()
    }

    pub(super) async fn get(&self, jar: &Jar, path: &str) -> Response<Body> {
        self.send(jar.send("GET", path, &[("sec-fetch-mode", "navigate")], "")).await
    }

    /// A browser that has logged in by the form.
    pub(super) async fn browser(&self) -> Jar {
        let mut jar = Jar::default();
        let answer = self.send(jar.send("POST", "/login", FORM, "next=/my/account")).await;
        assert_eq!(
            (answer.status(), header(&answer, "location")),
            (StatusCode::SEE_OTHER, "/my/account")
        );
        jar.take(&answer);
        jar
    }

    /// One that has seen a page since.
    pub(super) async fn reader(&self) -> Jar {
        let mut jar = self.browser().await;
        let answer = self.get(&jar, "/my/account").await;
        assert_eq!(answer.status(), StatusCode::OK);
        jar.take(&answer);
        jar
    }
}

pub(super) const FORM: &[(&str, &str)] = &[
    ("content-type", "application/x-www-form-urlencoded"),
    ("origin", "http://localhost:8000"),
    ("sec-fetch-mode", "navigate"),
];
pub(super) const PAGE: &str = "refreshtoken-page";

fn header<'a>(answer: &'a Response<Body>, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

pub(super) async fn body(answer: Response<Body>) -> String {
    let bytes = to_bytes(answer.into_body(), 65_536).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(super) fn token_in(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf_token\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn who_must_log_in_first_comes_back_to_the_page() {
    let site = Site::new().await;
    let nobody = Jar::default();
    let answer = site.get(&nobody, "/my/account?a=1&b=%2F").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(header(&answer, "cache-control"), "no-store");
    let login = header(&answer, "location").to_owned();
    assert_eq!(login, "/login?next=%2Fmy%2Faccount%3Fa%3D1%26b%3D%252F");
    assert_eq!(body(site.get(&nobody, &login).await).await, "/my/account?a=1&b=%2F");
    // A form that was sent is not sent again.
    let answer = site.send(nobody.send("POST", "/my/account", FORM, "a=b")).await;
    assert_eq!((answer.status(), header(&answer, "location")), (StatusCode::SEE_OTHER, "/login"));
}

#[tokio::test]
async fn a_link_leads_to_no_other_site_after_the_login() {
    let site = Site::new().await;
    let nobody = Jar::default();
    for next in ["https://evil.example", "//evil.example", "/%5Cevil.example", "%2F%2Fevil.example"]
    {
        let query: String = format!("/login?next={next}");
        assert_eq!(body(site.get(&nobody, &query).await).await, "/", "{next}");
        let answer = site.send(nobody.send("POST", "/login", FORM, &format!("next={next}"))).await;
        assert_eq!(header(&answer, "location"), "/", "{next}");
    }
    // Nor does a page whose own address would.
    let answer = site.get(&nobody, "/my/..//evil.example").await;
    assert!(!header(&answer, "location").contains("evil"), "{}", header(&answer, "location"));
}

#[tokio::test]
async fn what_a_script_asks_for_is_refused_and_not_redirected() {
    let site = Site::new().await;
    let request = Jar::default().send("GET", "/my/account", &[("sec-fetch-mode", "cors")], "");
    let (status, problem) = read(site.send(request).await).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("not_authenticated")));
}

#[tokio::test]
async fn the_cookie_of_pages_is_kept_from_script_and_is_made_anew_on_the_way() {
    let site = Site::new().await;
    let mut jar = site.browser().await;
    assert!(!jar.0.contains_key(PAGE), "a login needs none");
    let answer = site.get(&jar, "/my/account").await;
    let lines = answer.headers().get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let line = lines.filter(|line| line.starts_with("refreshtoken-page=")).collect::<Vec<_>>();
    assert!(line[0].ends_with("; Path=/; Max-Age=300; HttpOnly; SameSite=Lax"), "{line:?}");
    jar.take(&answer);
    assert!(body(answer).await.starts_with("nick-41"));

    // As long as it lasts, nothing is refreshed.
    let answer = site.get(&jar, "/my/account").await;
    assert_eq!(header(&answer, "set-cookie"), "");
    // Then it is, and a form that was begun before is sent all the same.
    let form = format!("csrf_token={}&text=x", token_in(&body(answer).await));
    for _ in 0..3 {
        site.clock.advance(6 * MINUTE);
        let answer = site.send(jar.send("POST", "/my/account", FORM, &form)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        jar.take(&answer);
        assert_eq!(body(answer).await, format!("nick-41 wrote {} bytes", form.len()));
    }
    // The endpoints go on with the same session.
    let csrf = jar.0["csrftoken"].clone();
    let refresh = jar.send("POST", "/accounts/refresh", &[("x-csrftoken", &csrf)], "");
    assert_eq!(site.send(refresh).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn tabs_that_open_together_after_a_night_all_get_in() {
    let site = Site::new().await;
    let jar = site.reader().await;
    site.clock.advance(9 * 60 * MINUTE);
    let mut last = jar.clone();
    for _ in 0..20 {
        let answer = site.get(&jar, "/my/account").await;
        assert_eq!(answer.status(), StatusCode::OK);
        last.take(&answer);
    }
    site.clock.advance(6 * MINUTE);
    assert_eq!(site.get(&last, "/my/account").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_form_without_the_field_writes_nothing() {
    let site = Site::new().await;
    let jar = site.reader().await;
    let token = token_in(&body(site.get(&jar, "/my/account").await).await);
    let other = {
        let jar = site.reader().await;
        token_in(&body(site.get(&jar, "/my/account").await).await)
    };
    for bad in [
        "text=x".to_owned(),
        String::new(),
        "csrf_token=".to_owned(),
        format!("csrf_token={other}"),
        format!("csrf_token={token}&csrf_token={token}"),
        format!("Csrf_Token={token}"),
    ] {
        let answer = site.send(jar.send("POST", "/my/account", FORM, &bad)).await;
        assert_eq!(read(answer).await.1["code"], "csrf_failed", "{bad}");
    }
    // What is no form brings the header.
    let json = [("content-type", "application/json"), FORM[1]];
    let answer = site.send(jar.send("POST", "/my/account", &json, "{}")).await;
    let refused = read(answer).await.1;
    assert_eq!(refused["code"], "csrf_failed");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("`CsrfField`") && detail.contains("X-CSRFTOKEN"), "{detail}");
    let with_header = [json[0], json[1], ("x-csrftoken", token.as_str())];
    let answer = site.send(jar.send("POST", "/my/account", &with_header, "{}")).await;
    assert_eq!(body(answer).await, "nick-41 wrote 2 bytes");
    // The right field from a foreign page does not count.
    let mut foreign = FORM.to_vec();
    foreign[1].1 = "https://evil.example";
    let answer =
        site.send(jar.send("POST", "/my/account", &foreign, &format!("csrf_token={token}"))).await;
    assert_eq!(read(answer).await.1["code"], "csrf_failed");
}

#[tokio::test]
async fn a_form_with_files_brings_the_field_first_and_arrives_whole() {
    let site = Site::new().await;
    let jar = site.reader().await;
    let token = token_in(&body(site.get(&jar, "/my/account").await).await);
    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let file = part("file", &"x".repeat(30_000));
    let kind = [("content-type", "multipart/form-data; boundary=b"), FORM[1]];
    let first = format!("{}{file}--b--\r\n", part("csrf_token", &token));
    let answer = site.send(jar.send("POST", "/my/account", &kind, &first)).await;
    assert_eq!(body(answer).await, format!("nick-41 wrote {} bytes", first.len()));
    let last = format!("{file}{}--b--\r\n", part("csrf_token", &token));
    let answer = site.send(jar.send("POST", "/my/account", &kind, &last)).await;
    assert_eq!(read(answer).await.1["code"], "csrf_failed");
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused_before_it_is_kept() {
    let site = Site::new().await;
    let jar = site.reader().await;
    let answer = site.send(jar.send("POST", "/my/account", FORM, &"a".repeat(3 << 20))).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn another_sites_page_fetches_nothing_as_the_user() {
    let site = Site::new().await;
    let jar = site.reader().await;
    let ask = async |mode: &str, whence: &str| {
        let headers = [("sec-fetch-mode", mode), ("sec-fetch-site", whence)];
        site.send(jar.send("GET", "/my/account", &headers, "")).await.status().as_u16()
    };
    assert_eq!(ask("no-cors", "cross-site").await, 401);
    assert_eq!(ask("cors", "same-origin").await, 200);
    assert_eq!(ask("navigate", "cross-site").await, 200, "a link from elsewhere");
}

#[tokio::test]
async fn neither_token_counts_in_the_others_place() {
    let site = Site::new().await;
    let jar = site.reader().await;
    let native = site.auth.log_in(UserId::new(41), Transport::Body, &Peer::local()).await.unwrap();
    let bearer = format!("Bearer {}", native.access_token());
    let request = Jar::default().send("GET", "/my/account", &[("authorization", &bearer)], "");
    assert_eq!(site.send(request).await.status(), StatusCode::SEE_OTHER);
    let mut planted = Jar::default();
    planted.0.insert(PAGE.to_owned(), native.access_token().to_owned());
    assert_eq!(site.get(&planted, "/my/account").await.status(), StatusCode::SEE_OTHER);
    planted.0.insert("refreshtoken".to_owned(), native.refresh_token().unwrap().to_owned());
    assert_eq!(site.get(&planted, "/my/account").await.status(), StatusCode::SEE_OTHER);
    let api = jar.send("GET", "/api", &[], "");
    assert_eq!(site.send(api).await.status(), StatusCode::UNAUTHORIZED);
    // Alone it says nothing: the browser may have logged out, or somebody else in.
    let alone = jar.without("refreshtoken");
    assert_eq!(site.get(&alone, "/my/account").await.status(), StatusCode::SEE_OTHER);
    let mut mixed = site.browser().await;
    let other = site.auth.log_in(UserId::new(42), Transport::Cookie, &Peer::local()).await.unwrap();
    Jar::take(&mut mixed, &other.into_response());
    mixed.0.insert(PAGE.to_owned(), jar.0[PAGE].clone());
    assert!(body(site.get(&mixed, "/my/account").await).await.starts_with("nick-42"));
}

#[tokio::test]
async fn a_session_that_ended_is_out_at_the_next_page() {
    let site = Site::new().await;
    let mut jar = site.reader().await;
    let copy = jar.clone();
    let token = token_in(&body(site.get(&jar, "/my/account").await).await);
    let form = format!("csrf_token={token}");
    site.clock.advance(6 * MINUTE);
    let answer = site.send(jar.send("POST", "/my/logout", FORM, &form)).await;
    assert_eq!((answer.status(), header(&answer, "location")), (StatusCode::SEE_OTHER, "/"));
    jar.take(&answer);
    assert!(!jar.0.contains_key("refreshtoken") && !jar.0.contains_key(PAGE), "{:?}", jar.0);
    assert_eq!(site.get(&copy, "/my/account").await.status(), StatusCode::SEE_OTHER);

    let jar = site.reader().await;
    site.auth.end_sessions(UserId::new(41), RevokedReason::Admin).await.unwrap();
    assert_eq!(site.get(&jar, "/my/account").await.status(), StatusCode::SEE_OTHER);
    assert_eq!(read(site.get(&jar, "/").await).await.1, json!(false), "who may be anybody");
}

#[tokio::test]
async fn who_shows_a_stale_copy_of_the_cookies_ends_the_session_as_at_the_endpoint() {
    let site = Site::new().await;
    let mut jar = site.reader().await;
    let copy = jar.without(PAGE);
    for _ in 0..4 {
        site.clock.advance(6 * MINUTE);
        let answer = site.get(&jar, "/my/account").await;
        assert_eq!(answer.status(), StatusCode::OK);
        jar.take(&answer);
    }
    assert_eq!(site.get(&copy, "/my/account").await.status(), StatusCode::SEE_OTHER);
    assert_eq!(site.get(&jar, "/my/account").await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_page_where_anybody_may_come_knows_who_is_there() {
    let site = Site::new().await;
    let jar = site.browser().await;
    assert_eq!(read(site.get(&Jar::default(), "/").await).await.1, json!(false));
    assert_eq!(read(site.get(&jar, "/").await).await.1, json!(true));
}

#[tokio::test]
async fn a_login_that_is_too_old_for_a_page_is_asked_for_again() {
    let site = Site::new().await;
    let jar = site.reader().await;
    assert_eq!(site.get(&jar, "/my/secret").await.status(), StatusCode::OK);
    site.clock.advance(3 * MINUTE);
    let answer = site.get(&jar, "/my/secret").await;
    assert_eq!(header(&answer, "location"), "/login?next=%2Fmy%2Fsecret");
}

#[tokio::test]
async fn no_cache_hands_a_page_to_somebody_else() {
    let site = Site::new().await;
    let jar = site.reader().await;
    let answer = site.get(&jar, "/my/account").await;
    assert_eq!((header(&answer, "cache-control"), header(&answer, "vary")), ("private", "cookie"));
}

#[tokio::test]
async fn a_stream_that_a_page_opened_ends_with_the_session() {
    let site = Site::new().await;
    let jar = site.reader().await;
    let who = site.auth.verify(&jar.0[PAGE]).await.unwrap();
    let ended = who.ended();
    let _ = site.auth.log_out(&who, &Peer::local()).await.unwrap();
    ended.await;
    assert!(!site.auth.is_live(who.claims().sid).await.unwrap());
}

#[tokio::test]
async fn the_cookie_has_room_whatever_the_app_says_in_its_tokens() {
    let groups = [countersign::token::ExtraClaim::Groups];
    let site = Site::with(|builder| builder.extra_claims(groups)).await;
    let jar = site.reader().await;
    let who = site.auth.verify(&jar.0[PAGE]).await.unwrap();
    assert!(who.claims().extra.is_empty(), "{:?}", who.claims().extra);
    assert_eq!(who.user::<Member>().unwrap().plan, "gold");
}

#[tokio::test]
async fn a_front_end_on_another_site_does_not_open_the_pages_to_it() {
    let mut cookies = CookieSettings::default();
    cookies.same_site = SameSite::None;
    let site =
        Site::with(|builder| builder.public_url("https://app.example.com").cookies(cookies)).await;
    let line = {
        let login = site.auth.log_in(UserId::new(41), Transport::Cookie, &Peer::local()).await;
        let mut jar = Jar::default();
        jar.take(&login.unwrap().into_response());
        let answer = site.get(&jar, "/my/account").await;
        let lines = answer.headers().get_all("set-cookie").iter();
        lines.map(|line| line.to_str().unwrap().to_owned()).find(|line| line.contains("-page="))
    };
    let line = line.unwrap();
    assert!(line.starts_with("__Host-refreshtoken-page="), "{line}");
    assert!(line.ends_with("HttpOnly; SameSite=Lax; Secure"), "{line}");
}

#[tokio::test]
#[should_panic(expected = "is no path of this origin")]
async fn a_login_page_of_another_site_stops_the_start() {
    let site = Site::new().await;
    let _: Router = site.auth.protect_pages("https://login.example.com", Router::new());
}

#[tokio::test]
#[should_panic(expected = "device_binding = enforce")]
async fn pages_and_enforced_devices_do_not_start_together() {
    Site::with(|builder| {
        builder.public_url("https://app.example.com").device_binding(DeviceBinding::Enforce)
    })
    .await;
}
