//! `GET /openapi.json` and `/docs`.

use countersign_e2e::World;

const ENDPOINTS: [(&str, &str); 15] = [
    ("/accounts/login", "post"),
    ("/accounts/refresh", "post"),
    ("/accounts/csrf", "get"),
    ("/accounts/logout", "post"),
    ("/accounts/logout-all", "post"),
    ("/accounts/profile", "get"),
    ("/accounts/profile", "patch"),
    ("/accounts/password", "post"),
    ("/accounts/sessions", "get"),
    ("/accounts/sessions/{id}", "delete"),
    ("/accounts/verify", "get"),
    ("/.well-known/jwks.json", "get"),
    ("/.well-known/revocations", "get"),
    ("/healthz", "get"),
    ("/readyz", "get"),
];

#[test]
fn the_document_names_every_endpoint_and_no_other() {
    let world = World::start();
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
    let document = World::start().get("/openapi.json").expect(200).json();
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
    assert_eq!(bodies, 6);
}

#[test]
fn the_page_can_be_read_without_its_script_and_needs_nothing_from_elsewhere() {
    let world = World::start();
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
    let world = World::start();
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
            operation.get("security").is_some(),
            "{method} {path}"
        );
    }
}

#[test]
fn the_endpoints_stand_where_they_were_put() {
    let world = World::builder().set("base_path", "/api/v1/auth").start();
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
    let world = World::start();
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
    let world = World::builder().set("docs", "off").start();
    world.get("/docs").expect_problem(404, "not_found");
    world.get("/openapi.json").expect_problem(404, "not_found");
}
