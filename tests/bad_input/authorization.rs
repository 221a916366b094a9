//! Every shape of a bad `Authorization` header.

use serde_json::json;

use crate::bent::{Bench, changed, now, shapes};
use crate::{Access, ENDPOINTS, Endpoint, assert_unharmed, world};

#[test]
fn no_bad_authorization_opens_a_private_endpoint_and_each_is_told_what_it_is() {
    let world = world();
    let shapes = shapes(&world);
    let mut wrong = Vec::new();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.access == Access::Bearer) {
        for shape in &shapes {
            let answer = shape.on(endpoint.request(&world)).send();
            let seen = (answer.status, answer.problem_code());
            if seen == (401, Some(shape.code.to_owned())) {
                answer.expect_problem(401, shape.code);
            } else {
                wrong.push(format!(
                    "{}: {}: {seen:?} instead of 401 {}",
                    endpoint.name(),
                    shape.name,
                    shape.code
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_unharmed(world);
}

#[test]
fn the_same_tokens_are_good_without_their_one_fault() {
    let world = world();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.access == Access::Bearer) {
        let bench = Bench::new(&world);
        for (name, token) in [
            ("as issued", bench.issued.clone()),
            ("forged and unchanged", bench.with(|_| {})),
            ("with unknown claims and headers", {
                let header =
                    changed(&bench.forge.header(), |header| header["x"] = json!({"y": [1]}));
                bench.forge.sign(
                    &header.to_string(),
                    &changed(&bench.claims, |claims| claims["x"] = json!(null)).to_string(),
                )
            }),
        ] {
            let answer = endpoint.request(&world).bearer(&token).send();
            assert_eq!(
                answer.status,
                endpoint.good,
                "{}: {name}: {}",
                endpoint.name(),
                answer.text()
            );
        }
        for header in ["bearer", "BEARER", "bEARER", "Bearer  "] {
            let answer = endpoint
                .request(&world)
                .header("Authorization", format!("{header} {}", bench.issued))
                .send();
            assert_eq!(answer.status, endpoint.good, "{}: {header}", endpoint.name());
        }
    }
    assert_unharmed(world);
}

#[test]
fn public_endpoints_do_not_read_the_header() {
    let world = world();
    let shapes = shapes(&world);
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.access == Access::Public) {
        let plain = endpoint.request(&world).send();
        assert_eq!(plain.status, endpoint.good, "{}", endpoint.name());
        for shape in &shapes {
            let answer = shape.on(endpoint.request(&world)).send();
            assert_eq!(
                (answer.status, answer.problem_code()),
                (plain.status, plain.problem_code()),
                "{}: {}",
                endpoint.name(),
                shape.name
            );
        }
    }
    assert_unharmed(world);
}

#[test]
fn a_stale_header_does_not_stand_between_a_page_and_its_refresh() {
    let world = world();
    let shapes = shapes(&world);
    let mut browser = world.logged_in("alice");
    for shape in &shapes {
        let refresh = shape.on(browser
            .bare("POST", "/accounts/refresh")
            .header("X-CSRFTOKEN", &browser.csrf_token));
        assert_eq!(browser.send(&refresh).status, 200, "refresh: {}", shape.name);
        let csrf = shape.on(browser.bare("GET", "/accounts/csrf"));
        assert_eq!(browser.send(&csrf).status, 200, "csrf: {}", shape.name);
    }
    for shape in shapes {
        let mut browser = world.logged_in("alice");
        let logout = shape.on(browser
            .bare("POST", "/accounts/logout")
            .header("X-CSRFTOKEN", &browser.csrf_token));
        assert_eq!(browser.clone().send(&logout).status, 204, "logout: {}", shape.name);
        assert_eq!(
            browser.refresh().problem_code().as_deref(),
            Some("session_revoked"),
            "logout: {}",
            shape.name
        );
    }
    assert_unharmed(world);
}

#[test]
fn a_logout_takes_no_token_that_does_not_verify_and_ends_nothing_for_it() {
    let world = world();
    let bench = Bench::new(&world);
    let logout =
        ENDPOINTS.iter().find(|endpoint| endpoint.access == Access::Any).expect("the logout");
    for shape in
        bench.shapes().iter().filter(|shape| shape.code == "token_invalid" && !shape.verifies)
    {
        let answer = shape.on(logout.request(&world)).send();
        assert_eq!(
            (answer.status, answer.problem_code().as_deref()),
            (401, Some("token_invalid")),
            "{}",
            shape.name
        );
        assert_eq!(answer.all("set-cookie").count(), 0, "{}", shape.name);
        answer.expect_problem(401, "token_invalid");
    }
    world.request("GET", "/accounts/profile").bearer(&bench.issued).send().expect(200);

    // Who has no credentials, or expired ones, is logged out or wants to be.
    logout.request(&world).send().expect(204);
    let expired = bench
        .with(|claims| (claims["iat"], claims["exp"]) = (json!(now() - 900), json!(now() - 600)));
    logout.request(&world).bearer(&expired).send().expect(204);
    world
        .request("GET", "/accounts/profile")
        .bearer(&bench.issued)
        .send()
        .expect_problem(401, "session_revoked");
    assert_unharmed(world);
}

#[test]
fn a_nul_byte_is_no_http_and_reaches_nobody() {
    let world = world();
    for Endpoint { method, path, .. } in &ENDPOINTS {
        let answer = world.request(method, path).header("Authorization", b"Bearer a.b\0.c").send();
        assert_eq!((answer.status, answer.body.len()), (400, 0), "{method} {path}");
    }
    assert_unharmed(world);
}
