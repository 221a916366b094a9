//! A server below a path, as in `https://example.org/auth`, behind a proxy that leaves the path in
//! requests or takes it away: the nginx of `docs/below_a_path`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use countersign_e2e::{
    Browser, DeviceKey, Mailbox, PASSWORD, Phone, Program, Request, Response, TestServer,
    TestServerBuilder, challenge, claims_of, offer,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const ORIGIN: &str = "http://example.org";
const PUBLIC_URL: &str = "http://example.org/auth";
const TICKET: &str = "__Host-device";

/// A server below `/auth`, and a proxy before it.
struct Site {
    world: TestServer,
    nginx: Program,
    _scratch: TempDir,
}

impl Site {
    fn of(builder: TestServerBuilder, takes_away: bool) -> Self {
        Self::at(PUBLIC_URL, builder, takes_away)
    }

    fn at(public_url: &str, builder: TestServerBuilder, takes_away: bool) -> Self {
        let world = builder.own_issuer().set("public_url", public_url).start();
        let scratch = tempfile::tempdir().unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR"));
        let example = example.join("../docs/below_a_path/nginx.conf.example");
        let mut text = std::fs::read_to_string(&example).unwrap();
        if takes_away {
            let kept = "location /auth/ {\n            proxy_pass http://countersign;";
            assert_eq!(text.matches(kept).count(), 1);
            text = text.replace(kept, &kept.replace("countersign;", "countersign/;"));
        }
        let file = scratch.path().join("example");
        std::fs::write(&file, text).unwrap();
        let address = [("127.0.0.1:8000", world.address())];
        let nginx = Program::nginx(scratch.path(), &file, &address);
        Self { world, nginx, _scratch: scratch }
    }

    fn both(builder: fn() -> TestServerBuilder) -> [Self; 2] {
        [false, true].map(|takes_away| Self::of(builder(), takes_away))
    }

    /// A request as a page of the origin sends it.
    fn request(&self, method: &str, path: &str) -> Request {
        self.nginx.request(method, path).header("Origin", ORIGIN)
    }

    fn get(&self, path: &str) -> Response {
        self.nginx.request("GET", path).send()
    }

    fn login(&self, body: &Value) -> Response {
        self.request("POST", "/auth/accounts/login").json(body).send()
    }

    /// What a native client sends with a proof, once more where another challenge is to be signed.
    fn proved(&self, phone: &mut Phone, path: &str, body: &Value) -> Response {
        let mut send = || {
            let proof = phone.proof(path, self.world.now());
            let answer = self.nginx.request("POST", path).json(body).header("DPoP", proof).send();
            phone.take(&answer);
            answer
        };
        let answer = send();
        match answer.problem_code().as_deref() {
            Some("use_dpop_nonce") => send(),
            _ => answer,
        }
    }
}

#[test]
fn a_session_lives_below_the_path_whatever_the_proxy_does_with_it() {
    for site in Site::both(TestServer::builder) {
        site.world.user("alice");
        let answer = site.login(&json!({"username": "alice", "password": PASSWORD})).expect(200);
        let device = answer.set_cookie("devicetoken").unwrap();
        assert!(device.contains("; Path=/auth/accounts;"), "{device}");
        let refresh = answer.cookie("refreshtoken").unwrap();
        let (access, csrf) = (answer.text_at("access_token"), answer.text_at("csrf_token"));
        assert_eq!(claims_of(&access)["iss"], PUBLIC_URL);
        let profile =
            |token: &str| site.nginx.request("GET", "/auth/accounts/profile").bearer(token).send();
        assert_eq!(profile(&access).expect(200).json()["user"]["username"], "alice");
        let next = site
            .request("POST", "/auth/accounts/refresh")
            .header("Cookie", format!("refreshtoken={refresh}"))
            .header("X-CSRFTOKEN", &csrf)
            .send()
            .expect(200);
        let refresh = next.cookie("refreshtoken").unwrap();
        let out = site
            .request("POST", "/auth/accounts/logout")
            .header("Cookie", format!("refreshtoken={refresh}"))
            .header("X-CSRFTOKEN", &csrf)
            .send()
            .expect(204);
        // Whatever is removed is removed where it was set.
        assert!(out.all("set-cookie").any(|cookie| cookie.contains("; Path=/auth/accounts;")));
        profile(&access).expect_problem(401, "session_revoked");
        // Of another origin it is refused as ever.
        site.nginx
            .request("POST", "/auth/accounts/login")
            .header("Origin", "http://evil.example")
            .json(&json!({"username": "alice", "password": PASSWORD}))
            .send()
            .expect_problem(403, "csrf_failed");
        assert_eq!(site.get("/accounts/profile").text(), "the app\n");
    }
}

#[test]
fn the_documents_of_the_issuer_are_below_the_path_and_where_rfc_8414_looks_for_them() {
    for site in Site::both(TestServer::builder) {
        for name in ["oauth-authorization-server", "openid-configuration"] {
            for path in [format!("/.well-known/{name}/auth"), format!("/auth/.well-known/{name}")] {
                let document = site.get(&path).expect(200).json();
                assert_eq!(document["issuer"], PUBLIC_URL, "{path}");
                for list in ["jwks_uri", "revocations_uri"] {
                    let url = document[list].as_str().unwrap();
                    site.get(url.strip_prefix(ORIGIN).unwrap()).expect(200);
                }
            }
        }
        let document = site.get("/auth/openapi.json").expect(200).json();
        assert_eq!(document["servers"], json!([{"url": "/auth"}]));
    }
}

#[test]
fn every_page_links_below_the_path() {
    for site in Site::both(|| TestServer::builder().set("demo", "on")) {
        site.world.superuser("root");
        let mut cookies = sign_in(&site);
        cookies.push_str("; lang=de");
        let mut seen = BTreeSet::new();
        let mut next: Vec<String> =
            ["/auth/", "/auth/docs", "/auth/admin/", "/auth/account/security"]
                .map(str::to_owned)
                .to_vec();
        while let Some(path) = next.pop() {
            if !seen.insert(path.clone()) || seen.len() > 100 {
                continue;
            }
            let page = site.nginx.request("GET", &path).header("Cookie", &cookies).send();
            assert_eq!(page.status, 200, "{path}");
            if !page.header("content-type").unwrap().starts_with("text/html") {
                continue;
            }
            let text = page.text();
            for attribute in ["href", "src", "action"] {
                for part in text.split(&format!(" {attribute}=\"")).skip(1) {
                    let link = part.split('"').next().unwrap().replace("&amp;", "&");
                    let link = link.split('#').next().unwrap().to_owned();
                    if link.is_empty() || link.starts_with("http") {
                        continue;
                    }
                    if link.starts_with('?') {
                        continue;
                    }
                    assert!(link.starts_with("/auth/"), "{link:?} in {path}");
                    if attribute != "action" {
                        next.push(link);
                    }
                }
            }
        }
        assert!(seen.len() > 20, "{seen:?}");
        let styled = seen.iter().filter(|path| path.ends_with(".css")).count();
        assert!(styled >= 3, "{seen:?}");
    }
}

/// Signs in at the admin site, as a browser without script does; the cookies.
fn sign_in(site: &Site) -> String {
    site.get("/auth/admin/").sends_to("/auth/admin/sign-in?next=%2Fadmin%2F");
    let form = site.get("/auth/admin/sign-in").expect(200);
    let csrf = countersign_e2e::input(&form.text(), "csrf").unwrap();
    let before = form.cookie("countersign_admin_form").unwrap();
    let set = form.set_cookie("countersign_admin_form").unwrap();
    assert!(set.contains("; Path=/auth/admin;"), "{set}");
    let body = format!(
        "csrf={csrf}&next=%2Fadmin%2Fusers%2F&username=root&password={}",
        PASSWORD.replace(' ', "+")
    );
    let entered = site
        .request("POST", "/auth/admin/sign-in")
        .header("Cookie", format!("countersign_admin_form={before}"))
        .body("application/x-www-form-urlencoded", body)
        .send();
    entered.sends_to("/auth/admin/users/");
    for cookie in entered.all("set-cookie") {
        assert!(cookie.contains("; Path=/auth/admin;"), "{cookie}");
    }
    format!("countersign_admin={}", entered.cookie("countersign_admin").unwrap())
}

#[test]
fn links_of_mails_and_what_the_program_prints_have_the_path() {
    let mailbox = Mailbox::new();
    let site = Site::of(TestServer::builder().set("mail_url", &mailbox.url()), false);
    site.world.user("alice");
    let asked = json!({"email": "alice@example.com"});
    site.request("POST", "/auth/accounts/password/reset").json(&asked).send().expect(202);
    let mail = mailbox.wait_for("alice@example.com", 1);
    assert!(mail.whole.contains("http://example.org/auth/account/reset"), "{}", mail.whole);
    let config = site.world.cli(&["config"]).ok();
    for line in [
        "http://example.org/auth/accounts",
        "http://example.org/auth/.well-known/jwks.json",
        "http://example.org/auth/admin/",
    ] {
        assert!(config.contains(line), "{config}");
    }
    countersign_e2e::eventually("the invitation is printed", || {
        site.world
            .printed()
            .iter()
            .any(|line| line.contains(" http://example.org/auth/admin/first/"))
    });
}

#[test]
fn a_native_client_proves_itself_for_the_address_with_the_path() {
    for site in Site::both(TestServer::builder) {
        site.world.user("alice");
        let mut phone = Phone::new(DeviceKey::new(), ORIGIN);
        let login = json!({"username": "alice", "password": PASSWORD, "transport": "body"});
        site.proved(&mut phone, "/auth/accounts/login", &login).expect(200);
        let sessions = site.nginx.request("GET", "/auth/accounts/sessions");
        let sessions = sessions.bearer(&phone.access_token).send().expect(200).json();
        assert_eq!(sessions["sessions"][0]["device_bound"], true);
        let refresh = |phone: &Phone, proof: &str| {
            let body = json!({"refresh_token": phone.refresh_token});
            let request = site.nginx.request("POST", "/auth/accounts/refresh").json(&body);
            request.header("DPoP", proof).send()
        };
        // What a client signs that takes the path for the proxy's own affair.
        for wrong in ["/accounts/refresh", "/other/accounts/refresh", "/auth/accounts/login"] {
            let proof = phone.proof(wrong, site.world.now());
            refresh(&phone, &proof).expect_problem(401, "session_unproved");
        }
        let mut other = Phone::new(DeviceKey::new(), ORIGIN);
        let wrong = other.proof("/accounts/login", site.world.now());
        let request = site.nginx.request("POST", "/auth/accounts/login").json(&login);
        let refused = request.header("DPoP", wrong).send();
        let told = refused.expect_problem(400, "invalid_dpop_proof").text();
        assert!(told.contains("POST http://example.org/auth/accounts/login"), "{told}");
        site.proved(&mut other, "/auth/accounts/login", &login).expect(200);
        for _ in 0..2 {
            let body = json!({"refresh_token": phone.refresh_token});
            site.proved(&mut phone, "/auth/accounts/refresh", &body).expect(200);
        }
    }
}

#[test]
fn a_browser_binds_its_session_to_a_device_below_the_path() {
    for takes_away in [false, true] {
        let builder = TestServer::builder().set("device_binding", "enforce").virtual_time();
        let site = Site::at("https://example.org/auth", builder, takes_away);
        site.world.user("alice");
        let mut browser = Browser::new(site.nginx.address());
        let request = browser.bare("POST", "/auth/accounts/login");
        let login = request.json(&json!({"username": "alice", "password": PASSWORD}));
        let login = browser.send(&login).expect(200);
        // Each address is where the answer before has said.
        let header = login.header("secure-session-registration").unwrap().to_owned();
        let (_, start) = header.split_once("path=\"").expect("a path");
        let start = start.split('"').next().unwrap();
        let key = DeviceKey::new();
        let request = browser.bare("POST", start);
        let proof = key.proof(&offer(&login).unwrap(), true);
        let started = browser.send(&request.header("Secure-Session-Response", proof)).expect(200);
        let told = started.json();
        assert_eq!(told["scope"]["origin"], "https://example.org");
        assert_eq!(
            told["scope"]["scope_specification"],
            json!([
                {"type": "exclude", "domain": "example.org", "path": "/"},
                {"type": "include", "domain": "example.org", "path": "/auth/accounts/refresh"},
            ])
        );
        // A `__Host-` cookie is the host's, whatever the path is.
        let ticket = started.set_cookie(TICKET).unwrap();
        assert!(ticket.contains("; Path=/;"), "{ticket}");
        site.world.clock().advance(Duration::from_secs(200));
        let refresh = |browser: &mut Browser| {
            let request = browser.bare("POST", "/auth/accounts/refresh");
            let request = request.header("X-CSRFTOKEN", &browser.csrf_token);
            browser.send(&request)
        };
        refresh(&mut browser).expect(200);
        // It is bound: without the ticket it waits for a proof.
        browser.cookies.remove(TICKET);
        refresh(&mut browser.clone()).expect_problem(401, "session_unproved");
        let session = format!("\"{}\"", told["session_identifier"].as_str().unwrap());
        let prove = |browser: &Browser| {
            let request = browser.bare("POST", told["refresh_url"].as_str().unwrap());
            request.header("Sec-Secure-Session-Id", &session)
        };
        let asked = browser.send(&prove(&browser)).expect_problem(403, "device_proof_required");
        let proof = key.proof(&challenge(&asked).expect("a challenge"), false);
        let proved = prove(&browser).header("Secure-Session-Response", proof);
        browser.send(&proved).expect(200);
        refresh(&mut browser).expect(200);
    }
}

#[test]
fn a_path_that_begins_as_one_of_its_own_is_refused_at_the_start() {
    for path in ["/accounts", "/accounts/x", "/admin", "/docs/", "/.well-known", "/a//b", "/a%20b"]
    {
        let url = format!("https://example.org{path}");
        let mut world = TestServer::start();
        world.stop();
        let refused = world.try_wake(&["--public-url", &url]).unwrap_err();
        assert!(refused.contains("public_url"), "{path}: {refused}");
    }
}
