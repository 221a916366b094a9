//! `GET /openapi.json` and `/docs`.

use std::path::Path;

use countersign_e2e::TestServer;
use serde_json::{Value, json};

const ENDPOINTS: [(&str, &str); 47] = [
    ("/accounts/login", "post"),
    ("/accounts/login/factor", "post"),
    ("/accounts/login/passkey/begin", "post"),
    ("/accounts/login/passkey/finish", "post"),
    ("/accounts/step-up", "post"),
    ("/accounts/factors", "get"),
    ("/accounts/factors/totp", "post"),
    ("/accounts/factors/totp/confirm", "post"),
    ("/accounts/passkeys/register/begin", "post"),
    ("/accounts/passkeys/register/finish", "post"),
    ("/accounts/factors/recovery-codes", "post"),
    ("/accounts/factors/{id}", "patch"),
    ("/accounts/factors/{id}", "delete"),
    ("/accounts/refresh", "post"),
    ("/accounts/device/start", "post"),
    ("/accounts/device/refresh", "post"),
    ("/accounts/csrf", "get"),
    ("/accounts/session", "get"),
    ("/accounts/logout", "post"),
    ("/accounts/logout-all", "post"),
    ("/accounts/profile", "get"),
    ("/accounts/profile", "patch"),
    ("/accounts/profile", "delete"),
    ("/accounts/profile/export", "get"),
    ("/accounts/password", "post"),
    ("/accounts/password/reset", "post"),
    ("/accounts/password/reset/confirm", "post"),
    ("/accounts/register", "post"),
    ("/accounts/email/verify", "post"),
    ("/accounts/email/verify/resend", "post"),
    ("/accounts/email/change", "post"),
    ("/accounts/email/change/confirm", "post"),
    ("/accounts/undo", "post"),
    ("/accounts/login/code", "post"),
    ("/accounts/login/code/confirm", "post"),
    ("/accounts/sessions", "get"),
    ("/accounts/sessions/{id}", "patch"),
    ("/accounts/sessions/{id}", "delete"),
    ("/accounts/tickets", "post"),
    ("/accounts/verify", "get"),
    ("/.well-known/openid-configuration", "get"),
    ("/.well-known/oauth-authorization-server", "get"),
    ("/.well-known/jwks.json", "get"),
    ("/.well-known/revocations", "get"),
    ("/.well-known/webauthn", "get"),
    ("/healthz", "get"),
    ("/readyz", "get"),
];

/// A server with everything that a setting turns on.
fn full() -> TestServer {
    TestServer::builder()
        .set("registration", "open")
        .set("login_code", "on")
        .set("passkey_origins", "https://shop.example")
        .start()
}

#[test]
fn the_document_names_every_endpoint_and_no_other() {
    let world = full();
    let document = world.get("/openapi.json").expect(200).json();
    let mut named = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            assert!(ENDPOINTS.contains(&(path, method)), "{method} {path} is not in the contract");
            named += 1;
        }
    }
    assert_eq!(named, ENDPOINTS.len());
    for (path, method) in ENDPOINTS {
        let answer =
            world.request(&method.to_uppercase(), &path.replace("{id}", "0000000000000001")).send();
        assert!(
            ![404, 405].contains(&answer.status) || path.contains("{id}"),
            "{method} {path}: {}",
            answer.text()
        );
    }
}

#[test]
fn the_document_says_how_a_body_can_be_refused() {
    let document = full().get("/openapi.json").expect(200).json();
    let mut bodies = 0;
    for (path, method) in ENDPOINTS {
        let operation = &document["paths"][path][method];
        if operation.get("requestBody").is_none() {
            continue;
        }
        bodies += 1;
        for status in ["400", "408", "413", "415"] {
            let content = &operation["responses"][status]["content"]["application/problem+json"];
            assert_eq!(
                content["schema"]["$ref"], "#/components/schemas/Problem",
                "{method} {path}: {status}"
            );
        }
    }
    assert_eq!(bodies, 27);
}

#[test]
fn the_page_can_be_read_without_its_script_and_needs_nothing_from_elsewhere() {
    let world = full();
    let page = world.get("/docs").expect(200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let html = page.text();
    for (path, _) in ENDPOINTS {
        assert!(html.contains(path), "{path}");
    }
    assert!(
        html.contains("keep_current") && html.contains("invalid_credentials"),
        "fields and answers are shown"
    );
    for file in ["/docs/docs.css", "/docs/try.js"] {
        assert_eq!(html.matches(file).count(), 1, "{file}");
        let text = world.get(file).expect(200).text();
        for never in ["url(", "@import", "http://", "https://", "innerHTML", "eval"] {
            assert!(!text.contains(never), "{file}: {never}");
        }
    }
    for never in ["url(", "@import", "http://", "https://", "style=", "<style", "onclick"] {
        assert!(!html.contains(never), "{never}");
    }
}

#[test]
fn every_operation_can_be_tried_with_what_it_takes() {
    let world = full();
    let document = world.get("/openapi.json").expect(200).json();
    let html = world.get("/docs").expect(200).text();
    for (path, method) in ENDPOINTS {
        let begins = format!(
            "<form class=\"try\" data-method=\"{}\" data-path=\"{path}\"",
            method.to_uppercase()
        );
        let (_, rest) =
            html.split_once(&begins).unwrap_or_else(|| panic!("{method} {path} cannot be tried"));
        let form = rest.split("</form>").next().unwrap();
        let operation = &document["paths"][path][method];
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let (place, name) =
                (parameter["in"].as_str().unwrap(), parameter["name"].as_str().unwrap());
            assert!(
                form.contains(&format!("data-in=\"{place}\" name=\"{name}\"")),
                "{path}: {name} in {place}"
            );
            assert_eq!(
                place == "path",
                path.contains(&format!("{{{name}}}")),
                "{path}: {name} in {place}"
            );
        }
        assert_eq!(
            form.contains("<textarea"),
            operation.get("requestBody").is_some(),
            "{method} {path}"
        );
        assert_eq!(
            form.contains("name=\"Authorization\""),
            operation["security"]
                .as_array()
                .is_some_and(|ways| ways.iter().any(|way| way.get("bearer").is_some())),
            "{method} {path}"
        );
    }
}

#[test]
fn the_endpoints_stand_where_they_were_put() {
    let world = TestServer::builder().set("base_path", "/api/v1/auth").start();
    world.get("/api/v1/auth/profile").expect_problem(401, "not_authenticated");
    world.get("/accounts/profile").expect_problem(404, "not_found");
    let document = world.get("/openapi.json").json();
    assert!(
        document["paths"].get("/api/v1/auth/login").is_some()
            && document["paths"].get("/accounts/login").is_none()
    );
    world.user("alice");
    let login = world
        .request("POST", "/api/v1/auth/login")
        .json(&serde_json::json!({"username": "alice", "password": countersign_e2e::PASSWORD}));
    assert!(
        login.send().expect(200).set_cookie("devicetoken").unwrap().contains("Path=/api/v1/auth;")
    );
}

#[test]
fn the_document_speaks_of_http_and_not_of_rust() {
    let world = full();
    let document = world.get("/openapi.json").expect(200).text();
    let page = world.get("/docs").expect(200).text();
    for text in [&document, &page] {
        for never in ["```", "use countersign::", "assert_eq!"] {
            assert!(!text.contains(never), "{never}");
        }
    }
    assert!(
        page.contains("for native clients: the refresh token then comes in the body"),
        "what is said of the field itself"
    );
}

#[test]
fn they_can_be_left_out() {
    let world = TestServer::builder().set("docs", "off").start();
    world.get("/docs").expect_problem(404, "not_found");
    world.get("/openapi.json").expect_problem(404, "not_found");
}

/// Whoever makes a client of the document, or reads a change of ours, sees here what has changed.
#[test]
fn the_document_in_docs_is_what_the_server_serves() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let served = full().get("/openapi.json").expect(200).json();
    if std::env::var_os("RENEW_OPENAPI").is_some() {
        let pretty = serde_json::to_string_pretty(&served).expect("JSON");
        std::fs::write(&path, pretty + "\n").expect("docs/openapi.json");
    }
    let kept = std::fs::read_to_string(&path).expect("docs/openapi.json");
    let kept: Value = serde_json::from_str(&kept).expect("docs/openapi.json is JSON");
    assert!(
        kept == served,
        "docs/openapi.json is not what the server serves. If the change is meant, renew it, and \
         look at the difference: RENEW_OPENAPI=1 cargo test -p countersign-e2e --test flow openapi"
    );
}

#[test]
fn what_may_be_left_out_of_a_body_may_not_be_null_and_the_document_says_so() {
    let document = full().get("/openapi.json").expect(200).json();
    for (path, method) in ENDPOINTS {
        let operation = &document["paths"][path][method];
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["schema"]["type"].is_string(), "{method} {path}: {parameter}");
            assert_eq!(parameter["required"], parameter["in"] == "path", "{path}: {parameter}");
        }
        let Some(body) = operation.get("requestBody") else { continue };
        assert!(body["required"].is_boolean(), "{method} {path}");
        let reference = body["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
        let schema = document.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        for (name, field) in schema["properties"].as_object().unwrap() {
            assert!(field["type"].is_string(), "{reference}: {name}: {field}");
            assert!(field["description"].is_string(), "{reference}: {name}: {field}");
            if field["type"] == "string" {
                assert!(
                    field["maxLength"].is_u64() || field["enum"].is_array(),
                    "{reference}: {name} has no bound: {field}"
                );
            }
        }
    }
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["LoginRequest"]["required"], json!(["username", "password"]));
    assert_eq!(
        schemas["LoginRequest"]["properties"]["transport"]["enum"],
        json!(["cookie", "body"])
    );
    assert_eq!(schemas["User"]["properties"]["last_login"]["type"], json!(["string", "null"]));
}

#[test]
fn every_refusal_in_the_document_has_one_shape_and_codes_that_there_are() {
    let document = full().get("/openapi.json").expect(200).json();
    let codes = &document["components"]["schemas"]["Problem"]["properties"]["code"];
    let codes = codes["x-extensible-enum"].as_array().unwrap();
    let mut refusals = 0;
    for (path, method) in ENDPOINTS {
        let answers = document["paths"][path][method]["responses"].as_object().unwrap();
        for (status, answer) in answers.iter().filter(|(status, _)| status.as_str() >= "400") {
            refusals += 1;
            let content = answer["content"].as_object().unwrap();
            assert_eq!(content.keys().collect::<Vec<_>>(), ["application/problem+json"]);
            let description = answer["description"].as_str().unwrap();
            let named = description.split(':').next().unwrap();
            for code in named.split(", ") {
                assert!(codes.contains(&code.into()), "{method} {path}: {status}: {code:?}");
            }
        }
    }
    assert!(refusals > 40, "{refusals}");
}
