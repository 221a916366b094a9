//! Bodies that cannot be read: their shape, their length and their encoding, at every endpoint that
//! reads one.

use countersign_e2e::Wire;
use serde_json::json;

use crate::body::{credentials, empty_object, fresh, note, taking_bodies};
use crate::{Access, assert_unharmed, world};

#[test]
fn a_body_that_cannot_be_read_is_refused_and_changes_nothing() {
    let world = world();
    let mut wrong = Vec::new();
    for endpoint in taking_bodies() {
        let client = fresh(&world);
        for (name, content_type, body, status, code) in unreadable() {
            let request =
                credentials(&client, endpoint, world.request(endpoint.method, endpoint.path))
                    .raw_body(body);
            let request = content_type.iter().fold(request, |request, content_type| {
                request.header("Content-Type", content_type)
            });
            note(&mut wrong, endpoint, &name, &request.send(), status, Some(code));
        }
        client.request("GET", "/accounts/profile").send().expect(200);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_unharmed(world);
}

#[test]
fn sixty_four_kibibytes_are_taken_and_one_byte_more_is_not() {
    let world = world();
    let whole = |length: usize| {
        let around = json!({"x": ""}).to_string().len();
        let body = json!({"x": "x".repeat(length - around)}).to_string();
        assert_eq!(body.len(), length);
        body
    };
    for endpoint in taking_bodies() {
        let send = |body: String| {
            let client = fresh(&world);
            credentials(&client, endpoint, world.request(endpoint.method, endpoint.path))
                .body("application/json", body)
                .send()
        };
        let mut wrong = Vec::new();
        let (status, code) = empty_object(endpoint);
        note(&mut wrong, endpoint, "64 KiB", &send(whole(LIMIT)), status, code);
        note(
            &mut wrong,
            endpoint,
            "64 KiB and one byte",
            &send(whole(LIMIT + 1)),
            413,
            Some("payload_too_large"),
        );
        note(&mut wrong, endpoint, "1 MB", &send(whole(1_000_000)), 413, Some("payload_too_large"));
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    assert_unharmed(world);
}

#[test]
fn a_body_whose_length_is_not_told_is_counted_as_it_comes() {
    let world = world();
    for endpoint in taking_bodies() {
        let authorization = || match endpoint.access {
            Access::Bearer => format!("Authorization: Bearer {}\r\n", fresh(&world).access_token),
            Access::Public | Access::Any => String::new(),
        };
        let head = |extra: &str| {
            let (method, path) = (endpoint.method, endpoint.path);
            format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
                 application/json\r\n{}{extra}\r\n\r\n",
                authorization()
            )
        };
        let chunk = |bytes: &str| format!("{:x}\r\n{bytes}\r\n", bytes.len());
        let mut wrong = Vec::new();
        let (status, code) = empty_object(endpoint);
        let small = Wire::to(world.address())
            .send(head("Transfer-Encoding: chunked") + &chunk("{") + &chunk("}") + "0\r\n\r\n")
            .answer();
        note(&mut wrong, endpoint, "two chunks", &small, status, code);

        // Without end: the answer does not wait for one.
        let mut wire = Wire::to(world.address())
            .send(head("Transfer-Encoding: chunked") + &chunk("{\"x\":\""));
        for _ in 0..17 {
            wire.push(chunk(&"x".repeat(4096)));
        }
        note(
            &mut wrong,
            endpoint,
            "chunks over the limit",
            &wire.answer(),
            413,
            Some("payload_too_large"),
        );

        // Told to be larger than it may be: not even the first byte is waited for.
        let told = Wire::to(world.address()).send(head("Content-Length: 10000000000")).answer();
        note(&mut wrong, endpoint, "told to be 10 GB", &told, 413, Some("payload_too_large"));
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    assert_unharmed(world);
}

#[test]
fn chunks_that_are_no_chunks_end_the_connection_and_nothing_else() {
    let world = world();
    for endpoint in taking_bodies().filter(|endpoint| endpoint.access != Access::Bearer) {
        for chunks in [
            "zz\r\n{}\r\n0\r\n\r\n",
            "2\r\n{}xx0\r\n\r\n",
            "ffffffffffffffffff\r\n{}",
            "-2\r\n{}\r\n0\r\n\r\n",
            "2;\n{}\r\n0\r\n\r\n",
        ] {
            let head = format!(
                "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
                 application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
                endpoint.path
            );
            let mut wire = Wire::to(world.address()).send(format!("{head}{chunks}"));
            let answer = wire.answer();
            assert_eq!(answer.status, 400, "{}: {chunks:?}: {}", endpoint.path, answer.text());
            let rest = wire.until_closed();
            assert!(
                rest.is_empty(),
                "{}: {chunks:?}: {}",
                endpoint.path,
                String::from_utf8_lossy(&rest)
            );
        }
    }
    assert_unharmed(world);
}

#[test]
fn a_body_in_utf_8_may_say_so_and_a_compressed_one_is_a_415() {
    let world = world();
    let login = r#"{"username":"alice","password":"correct horse battery staple"}"#;
    for charset in ["utf-8", "UTF-8", "\"utf-8\"", "utf8"] {
        world
            .request("POST", "/accounts/login")
            .body(&format!("application/json; charset={charset}"), login)
            .send()
            .expect(200);
    }
    // Not the right password: with that the user would be deleted.
    let other = r#"{"username":"alice","password":"not the right one"}"#;
    for endpoint in taking_bodies() {
        let client = fresh(&world);
        let with = |encoding: &str| {
            let request =
                credentials(&client, endpoint, world.request(endpoint.method, endpoint.path));
            request.header("Content-Encoding", encoding).body("application/json", other).send()
        };
        for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip", "nothing"] {
            with(encoding).expect_problem(415, "unsupported_media_type");
        }
        assert_ne!(with("Identity").status, 415, "{}", endpoint.name());
    }
    assert_unharmed(world);
}

#[test]
fn no_answer_repeats_a_body_that_cannot_be_read() {
    let world = world();
    for endpoint in taking_bodies() {
        let client = fresh(&world);
        for body in [
            r#""hunter2""#,
            r#"["hunter2"]"#,
            r#"{"password": "hunter2""#,
            r#"{"hunter2": 1, "hunter2": 2}"#,
            r#"{"password": hunter2}"#,
            r#"{hunter2: 1}"#,
            "hunter2",
        ] {
            let request =
                credentials(&client, endpoint, world.request(endpoint.method, endpoint.path));
            let answer =
                request.body("application/json", body).send().expect_problem(400, "parse_error");
            assert!(!answer.text().contains("hunter"), "{}: {}", endpoint.name(), answer.text());
            assert!(answer.text_at("detail").contains("line 1, column"), "{}", answer.text());
        }
    }
    assert!(!world.log().contains("hunter"));
    assert_unharmed(world);
}

type Unreadable = (String, Vec<&'static str>, Vec<u8>, u16, &'static str);

fn unreadable() -> Vec<Unreadable> {
    let mut shapes: Vec<Unreadable> = Vec::new();
    let json: &[(&str, &[u8])] = &[
        ("white space", b"  \r\n"),
        ("one brace", b"{"),
        ("cut in a name", b"{\"username\":\"alice\",\"passw"),
        ("cut in a text", b"{\"username\":\"alice\",\"password\":\"x"),
        ("cut after an escape", b"{\"username\":\"\\"),
        ("cut before the last brace", b"{\"username\":\"alice\",\"password\":\"x\""),
        ("an array", b"[]"),
        ("an array with the object", b"[{\"username\":\"alice\",\"password\":\"x\"}]"),
        ("a text", b"\"username\""),
        ("a number", b"1"),
        ("null", b"null"),
        ("true", b"true"),
        ("a form", b"username=alice&password=x"),
        ("XML", b"<username>alice</username>"),
        ("two objects", b"{}{}"),
        ("letters after it", b"{}x"),
        ("a NUL after it", b"{}\0"),
        ("a NUL before it", b"\0{}"),
        ("a NUL in a text", b"{\"x\":\"a\0b\"}"),
        ("a line feed in a text", b"{\"x\":\"a\nb\"}"),
        ("a comma too many", b"{\"x\":1,}"),
        ("a comment", b"{/* */}"),
        ("single quotes", b"{'x':1}"),
        ("no quotes", b"{x:1}"),
        ("NaN", b"{\"x\":NaN}"),
        ("a leading zero", b"{\"x\":01}"),
        ("a number beyond all bounds", b"{\"x\":1e400}"),
        ("a number as a name", b"{1:1}"),
        ("not UTF-8", b"{\"x\":\"\xff\"}"),
        ("not UTF-8, in a name", b"{\"\xc3\x28\":1}"),
        ("overlong UTF-8", b"{\"x\":\"\xc0\xaf\"}"),
        ("a surrogate in UTF-8", b"{\"x\":\"\xed\xa0\x80\"}"),
        ("a lone leading surrogate", b"{\"x\":\"\\ud800\"}"),
        ("a lone trailing surrogate", b"{\"x\":\"\\udc00\"}"),
        ("surrogates in the wrong order", b"{\"x\":\"\\udc00\\ud800\"}"),
        ("a lone surrogate in a name", b"{\"\\ud800\":1}"),
        ("a byte order mark", b"\xef\xbb\xbf{}"),
        ("UTF-16", b"\xff\xfe{\0}\0"),
        ("a field twice, equal", b"{\"refresh_token\":\"x\",\"refresh_token\":\"x\"}"),
        ("a field twice", b"{\"password\":\"a\",\"username\":\"alice\",\"password\":\"b\"}"),
        ("an unknown field twice", b"{\"x\":1,\"x\":2}"),
        ("a field twice, once escaped", b"{\"x\":1,\"\\u0078\":2}"),
    ];
    for (name, body) in json {
        shapes.push((
            (*name).to_owned(),
            vec!["application/json"],
            body.to_vec(),
            400,
            "parse_error",
        ));
    }
    let deep = |open: &str, close: &str| {
        format!("{{\"x\":{}1{}}}", open.repeat(10_000), close.repeat(10_000)).into_bytes()
    };
    shapes.push((
        "arrays 10,000 levels deep".to_owned(),
        vec!["application/json"],
        deep("[", "]"),
        400,
        "parse_error",
    ));
    shapes.push((
        "objects 10,000 levels deep".to_owned(),
        vec!["application/json"],
        deep("{\"\":", "}"),
        400,
        "parse_error",
    ));
    shapes.push((
        "60,000 brackets".to_owned(),
        vec!["application/json"],
        "[".repeat(60_000).into_bytes(),
        400,
        "parse_error",
    ));
    shapes.push((
        "a number of 60,000 digits".to_owned(),
        vec!["application/json"],
        format!("{{\"x\":{}}}", "9".repeat(60_000)).into_bytes(),
        400,
        "parse_error",
    ));
    for (name, body) in [
        ("a form that is not UTF-8", b"username=%ff&password=x".as_slice()),
        ("a form that is not UTF-8, unescaped", b"username=\xff&password=x"),
        ("a form with a name that is not UTF-8", b"%c3%28=x"),
        ("a form with a field twice", b"password=a&username=alice&password=b"),
        ("a form with a field twice, once escaped", b"password=a&username=alice&p%61ssword=b"),
    ] {
        shapes.push((
            name.to_owned(),
            vec!["application/x-www-form-urlencoded"],
            body.to_vec(),
            400,
            "parse_error",
        ));
    }
    let types: &[&[&str]] = &[
        &[],
        &[""],
        &["text/plain"],
        &["text/json"],
        &["application/jsonp"],
        &["application/json-patch+json"],
        &["application/vnd.api+json"],
        &["application/xml"],
        &["application/octet-stream"],
        &["multipart/form-data; boundary=x"],
        &["application"],
        &["application/*"],
        &["*/*"],
        &[";application/json"],
        &["application/json, text/plain"],
        &["text/plain; application/json"],
        &["text/plain", "application/json"],
        &["json"],
        &["application/json; charset=latin1"],
        &["application/json;charset=\"UTF-16\""],
        &["application/x-www-form-urlencoded; version=1; charset=iso-8859-1"],
    ];
    for content_type in types {
        let name = format!("the content type {content_type:?}");
        shapes.push((
            name,
            content_type.to_vec(),
            b"{\"username\":\"alice\",\"password\":\"x\"}".to_vec(),
            415,
            "unsupported_media_type",
        ));
    }
    shapes
}

const LIMIT: usize = 64 * 1024;
