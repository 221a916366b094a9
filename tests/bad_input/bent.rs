//! `Authorization` headers, each with one fault.

mod claims;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use countersign_e2e::{Forge, Request, TestServer, claims_of, segments};
use serde_json::{Value, json};

/// One bad header, or several.
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) headers: Vec<Vec<u8>>,
    pub(crate) code: &'static str,
    /// Whether it is signed by the server's key, of the right type and not over: enough to log out.
    pub(crate) verifies: bool,
}

impl Shape {
    fn new(name: &str, header: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            headers: vec![header.into()],
            code: "token_invalid",
            verifies: false,
        }
    }

    fn bearer(name: &str, token: &str) -> Self {
        Self::new(name, format!("Bearer {token}"))
    }

    pub(crate) fn on(&self, request: Request) -> Request {
        self.headers.iter().fold(request, |request, header| request.header("Authorization", header))
    }
}

/// A live session, and its tokens bent.
pub(crate) struct Bench<'a> {
    world: &'a TestServer,
    pub(crate) forge: Forge,
    pub(crate) issued: String,
    refresh: String,
    pub(crate) claims: Value,
}

pub(crate) fn shapes(world: &TestServer) -> Vec<Shape> {
    Bench::new(world).shapes()
}

impl<'a> Bench<'a> {
    pub(crate) fn new(world: &'a TestServer) -> Self {
        let mut native = world.native();
        native.login("alice").expect(200);
        let claims = claims_of(&native.access_token);
        Self {
            world,
            forge: Forge::of(world),
            issued: native.access_token,
            refresh: native.refresh_token,
            claims,
        }
    }

    /// A token with other claims, right in everything else.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Value)) -> String {
        self.forge
            .sign(&self.forge.header().to_string(), &changed(&self.claims, change).to_string())
    }

    /// A token with another header, right in everything else.
    fn with_header(&self, change: impl FnOnce(&mut Value)) -> String {
        self.forge
            .sign(&changed(&self.forge.header(), change).to_string(), &self.claims.to_string())
    }

    pub(crate) fn shapes(&self) -> Vec<Shape> {
        let mut shapes = self.headers();
        shapes.extend(self.segments_bent());
        shapes.extend(self.algorithms());
        shapes.extend(self.key_headers());
        shapes.extend(self.times());
        shapes.extend(self.other_claims());
        shapes.extend(self.endings());
        shapes
    }

    fn headers(&self) -> Vec<Shape> {
        let token = &self.issued;
        let two = |name: &str, first: String, second: String| Shape {
            headers: vec![first.into_bytes(), second.into_bytes()],
            ..Shape::new(name, "")
        };
        vec![
            Shape { headers: Vec::new(), code: "not_authenticated", ..Shape::new("none", "") },
            Shape::new("empty", ""),
            Shape::new("one word, the scheme", "Bearer"),
            Shape::new("the scheme and white space", "Bearer    "),
            Shape::new("one word, the token", token.as_str()),
            Shape::new("no space", format!("Bearer{token}")),
            Shape::new("a colon", format!("Bearer: {token}")),
            Shape::new("a tab in place of the space", format!("Bearer\t{token}")),
            Shape::new("the scheme Token", format!("Token {token}")),
            Shape::new("the scheme JWT", format!("JWT {token}")),
            Shape::new(
                "the scheme Basic",
                format!("Basic {}", STANDARD.encode("alice:correct horse battery staple")),
            ),
            Shape::new("the scheme DPoP", format!("DPoP {token}")),
            Shape::new("a scheme that begins alike", format!("Bearers {token}")),
            Shape::new("the scheme twice", format!("Bearer Bearer {token}")),
            Shape::new("three words", format!("Bearer {token} x")),
            Shape::new("two tokens with a comma", format!("Bearer {token}, Bearer {token}")),
            Shape::new("two tokens in one word", format!("Bearer {token},{token}")),
            Shape::new("a token in quotation marks", format!("Bearer \"{token}\"")),
            Shape::new("the word null", "Bearer null"),
            Shape::new("the word undefined", "Bearer undefined"),
            Shape::new("a template's hole", "Bearer ${token}"),
            Shape::new("not ASCII, UTF-8", format!("Bearer {token}é")),
            Shape::new(
                "not ASCII, Latin-1",
                [b"Bearer ".as_slice(), token.as_bytes(), b"\xe9"].concat(),
            ),
            Shape::new(
                "a scheme that is not ASCII",
                [b"B\xe9arer ".as_slice(), token.as_bytes()].concat(),
            ),
            Shape::new("60 KB of one word", format!("Bearer {}", "a".repeat(60_000))),
            Shape::new("60 KB of dots", format!("Bearer {}", ".".repeat(60_000))),
            Shape::bearer(
                "60 KB, well signed",
                &self.with(|claims| claims["x"] = json!("x".repeat(45_000))),
            ),
            Shape::new("60 KB of words", format!("Bearer {}", "a ".repeat(30_000))),
            two("two headers, equal", format!("Bearer {token}"), format!("Bearer {token}")),
            two("two headers, the second bad", format!("Bearer {token}"), "Bearer x".to_owned()),
            two("two headers, the first bad", "Basic eA==".to_owned(), format!("Bearer {token}")),
            two("two headers, the first empty", String::new(), format!("Bearer {token}")),
        ]
    }

    fn segments_bent(&self) -> Vec<Shape> {
        let token = &self.issued;
        let [header, payload, signature] = segments(token);
        let mut shapes = vec![
            Shape::bearer("not base64", "%%%.%%%.%%%"),
            Shape::bearer("base64 of nothing sensible", "AAAA.AAAA.AAAA"),
            Shape::bearer("one segment", &header),
            Shape::bearer("two segments", &format!("{header}.{payload}")),
            Shape::bearer("four segments", &format!("{token}.{signature}")),
            Shape::bearer(
                "five segments, as an encrypted token has",
                &format!("{token}.{payload}.{signature}"),
            ),
            Shape::bearer("empty segments", ".."),
            Shape::bearer("no header", &format!(".{payload}.{signature}")),
            Shape::bearer("no payload", &format!("{header}..{signature}")),
            Shape::bearer("no signature", &format!("{header}.{payload}.")),
            Shape::bearer(
                "another token's signature",
                &format!("{header}.{payload}.{}", segments(&self.with(|c| c["x"] = json!(1)))[2]),
            ),
            Shape::bearer("half a signature", &format!("{header}.{payload}.{}", &signature[..43])),
            Shape::bearer("a zero signature", &format!("{header}.{payload}.{}", "A".repeat(86))),
            Shape::bearer(
                "the payload of another",
                &format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(r#"{"sub":"1"}"#)),
            ),
            Shape::bearer("trailing letter", &format!("{token}A")),
            Shape::bearer("trailing letters", &format!("{token}AAAA")),
            Shape::bearer("trailing dot", &format!("{token}.")),
            Shape::bearer("trailing dots", &format!("{token}..")),
            Shape::bearer("trailing slash", &format!("{token}/")),
            Shape::bearer("trailing percent-encoding", &format!("{token}%00")),
            Shape::bearer("a leading letter", &format!("A{token}")),
            Shape::bearer("a space within", &token.replacen('.', ". ", 1)),
            Shape::bearer("a tab within", &token.replacen('.', ".\t", 1)),
            Shape::bearer("padding after the signature", &format!("{token}==")),
            Shape::bearer("one sign of padding", &format!("{token}=")),
            Shape::bearer(
                "the signature's spare bits set",
                &format!("{header}.{payload}.{}", spare_bits_set(&signature)),
            ),
            Shape::bearer("the letters' case changed", &token.to_lowercase()),
        ];
        // Signed just as they stand, so that only the encoding is wrong.
        let padded_header =
            STANDARD.encode(changed(&self.forge.header(), |h| h["x"] = json!("é")).to_string());
        let odd = padded(&self.claims);
        for (name, message) in [
            (
                "padding in the payload",
                format!(
                    "{header}.{}",
                    STANDARD.encode(odd.to_string()).replace('+', "-").replace('/', "_")
                ),
            ),
            (
                "the payload's spare bits set",
                format!("{header}.{}", spare_bits_set(&URL_SAFE_NO_PAD.encode(odd.to_string()))),
            ),
            (
                "the standard alphabet in the payload",
                format!("{header}.{}", STANDARD_NO_PAD.encode(with_slash(&self.claims))),
            ),
            (
                "the standard alphabet in the header",
                format!("{}.{payload}", STANDARD_NO_PAD.encode(with_slash(&self.forge.header()))),
            ),
            (
                "padding in the header",
                format!("{}=.{payload}", padded_header.trim_end_matches('=')),
            ),
            ("a payload that is no JSON", format!("{header}.{}", URL_SAFE_NO_PAD.encode("sub=1"))),
            (
                "a payload that is an array",
                format!("{header}.{}", URL_SAFE_NO_PAD.encode(json!([self.claims]).to_string())),
            ),
            (
                "a payload with something after it",
                format!("{header}.{}", URL_SAFE_NO_PAD.encode(format!("{}{{}}", self.claims))),
            ),
            (
                "a payload that is not UTF-8",
                format!(
                    "{header}.{}",
                    URL_SAFE_NO_PAD.encode(
                        [b"{\"x\":\"\xff\",".as_slice(), &self.claims.to_string().as_bytes()[1..]]
                            .concat()
                    )
                ),
            ),
            ("a payload 1,000 levels deep", {
                let deep = format!(
                    "{{\"x\":{}{},{}",
                    "[".repeat(1_000),
                    "]".repeat(1_000),
                    &self.claims.to_string()[1..]
                );
                format!("{header}.{}", URL_SAFE_NO_PAD.encode(deep))
            }),
            (
                "a header that is no JSON",
                format!("{}.{payload}", URL_SAFE_NO_PAD.encode("alg=EdDSA")),
            ),
            (
                "a header that is an array",
                format!(
                    "{}.{payload}",
                    URL_SAFE_NO_PAD.encode(json!([self.forge.header()]).to_string())
                ),
            ),
        ] {
            shapes.push(Shape::bearer(name, &self.forge.seal(&message)));
        }
        shapes
    }

    fn algorithms(&self) -> Vec<Shape> {
        let [_, payload, signature] = segments(&self.issued);
        let header_with = |alg: Value| {
            URL_SAFE_NO_PAD
                .encode(changed(&self.forge.header(), |header| header["alg"] = alg).to_string())
        };
        let mut shapes = Vec::new();
        for spelling in ["none", "None", "NONE", "nOnE", "", " none", "none\u{0}"] {
            let header = header_with(json!(spelling));
            shapes.push(Shape::bearer(
                &format!("alg {spelling:?}, no signature"),
                &format!("{header}.{payload}."),
            ));
            shapes.push(Shape::bearer(
                &format!("alg {spelling:?}, two segments"),
                &format!("{header}.{payload}"),
            ));
            shapes.push(Shape::bearer(
                &format!("alg {spelling:?}, the issued signature"),
                &format!("{header}.{payload}.{signature}"),
            ));
            shapes.push(Shape::bearer(
                &format!("alg {spelling:?}, well signed"),
                &self.forge.seal(&format!("{header}.{payload}")),
            ));
        }
        let public = self.forge.public_key();
        let pem = self.world.cli(&["keys", "export", self.forge.kid()]).ok();
        let pem_only = &pem[pem.find("-----BEGIN").expect("PEM")
            ..pem.find("-----END PUBLIC KEY-----").expect("PEM") + 24];
        for (name, key) in [
            ("the public key's bytes", public.to_vec()),
            ("the public key as PEM", pem_only.as_bytes().to_vec()),
            ("the public key as PEM with a line feed", format!("{pem_only}\n").into_bytes()),
            ("the public key in base64url", URL_SAFE_NO_PAD.encode(public).into_bytes()),
            ("the public key in base64", STANDARD.encode(public).into_bytes()),
            ("the body of the PEM", pem_only.lines().nth(1).expect("a line").as_bytes().to_vec()),
            ("the key id", self.forge.kid().as_bytes().to_vec()),
            ("the empty key", Vec::new()),
        ] {
            shapes.push(Shape::bearer(
                &format!("HS256 with {name}"),
                &self.forge.hs256(&self.claims, &key),
            ));
        }
        for alg in [
            json!("HS256"),
            json!("HS512"),
            json!("RS256"),
            json!("ES256"),
            json!("eddsa"),
            json!("Ed25519"),
            json!("XS1"),
            json!(null),
            json!(["EdDSA"]),
        ] {
            let header = header_with(alg.clone());
            shapes.push(Shape::bearer(
                &format!("alg {alg}, signed with EdDSA"),
                &self.forge.seal(&format!("{header}.{payload}")),
            ));
        }
        shapes.push(Shape::bearer("no alg", &self.with_header(|header| remove(header, "alg"))));
        shapes
    }

    fn key_headers(&self) -> Vec<Shape> {
        let mut shapes = Vec::new();
        let kid = |kid: Value| self.with_header(|header| header["kid"] = kid);
        let kids = [
            json!("unknown"),
            json!(""),
            json!("../../dev/null"),
            json!("../../../../../../dev/null"),
            json!("/dev/null"),
            json!("file:///dev/null"),
            json!("' OR 1=1 --"),
            json!("' UNION SELECT 'a' --"),
            json!("x'; DROP TABLE users; --"),
            json!("%"),
            json!("\u{0}"),
            json!(format!("{}\u{0}", self.forge.kid())),
            json!(format!(" {}", self.forge.kid())),
            json!(self.forge.kid().to_uppercase() + "X"),
            json!("http://127.0.0.1:1/key"),
            json!("k".repeat(2_000)),
            json!(1),
            json!(null),
            json!(true),
            json!([self.forge.kid()]),
            json!({"kid": self.forge.kid()}),
        ];
        for value in kids {
            let name = value.to_string();
            shapes
                .push(Shape::bearer(&format!("kid {}", &name[..name.len().min(50)]), &kid(value)));
        }
        shapes.push(Shape::bearer("no kid", &self.with_header(|header| remove(header, "kid"))));
        let jwk = json!({"kty": "OKP", "crv": "Ed25519",
            "x": URL_SAFE_NO_PAD.encode(self.forge.public_key()), "kid": self.forge.kid()});
        let certificate = json!([STANDARD.encode("no certificate")]);
        for (name, value) in [
            ("jwk", jwk),
            ("jwk", json!({})),
            ("jku", json!("http://127.0.0.1:1/jwks.json")),
            ("x5u", json!("http://127.0.0.1:1/key.pem")),
            ("x5c", certificate),
            ("crit", json!(["exp"])),
            ("crit", json!(["b64"])),
            ("crit", json!(["urn:unknown"])),
            ("crit", json!([])),
            ("crit", json!("exp")),
            ("crit", json!(["alg", "kid"])),
        ] {
            let token = self.with_header(|header| header[name] = value.clone());
            shapes.push(Shape::bearer(&format!("header {name}: {value}"), &token));
        }
        shapes.push(Shape::bearer(
            "b64 switched off",
            &self.with_header(|header| {
                (header["b64"], header["crit"]) = (json!(false), json!(["b64"]));
            }),
        ));
        for typ in [
            json!("rt+jwt"),
            json!("rl+jwt"),
            json!("JWT"),
            json!("at+jwt "),
            json!(""),
            json!(null),
            json!(1),
            json!(["at+jwt"]),
        ] {
            shapes.push(Shape::bearer(
                &format!("typ {typ}"),
                &self.with_header(|header| header["typ"] = typ.clone()),
            ));
        }
        shapes.push(Shape::bearer("no typ", &self.with_header(|header| remove(header, "typ"))));
        for (name, twice) in [("alg", "\"none\""), ("typ", "\"at+jwt\""), ("kid", "\"x\"")] {
            let header = self.forge.header().to_string();
            let token = self
                .forge
                .sign(&format!("{{\"{name}\":{twice},{}", &header[1..]), &self.claims.to_string());
            shapes.push(Shape::bearer(&format!("the header {name} twice"), &token));
        }
        shapes.push(Shape::bearer("a refresh token", &self.refresh));
        shapes.push(Shape::bearer(
            "the revocation list",
            &self.world.get("/.well-known/revocations").text(),
        ));
        shapes
    }
}

pub(crate) fn changed(value: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut value = value.clone();
    change(&mut value);
    value
}

fn remove(value: &mut Value, name: &str) {
    assert!(value.as_object_mut().expect("an object").remove(name).is_some(), "{name} was there");
}

/// The value, lengthened until its base64 has spare bits and would be padded.
fn padded(value: &Value) -> Value {
    (0..3)
        .map(|length| changed(value, |value| value["x"] = json!("x".repeat(length))))
        .find(|value| value.to_string().len() % 3 != 0)
        .expect("one of three")
}

/// The value, as text whose base64 uses what the two alphabets differ in.
fn with_slash(value: &Value) -> String {
    let texts = (0..3).map(|length| {
        changed(value, |value| value["x"] = json!(format!("{}???>>>", " ".repeat(length))))
            .to_string()
    });
    texts
        .into_iter()
        .find(|text| STANDARD_NO_PAD.encode(text).contains(['+', '/']))
        .expect("one of three")
}

/// The same bytes, spelled so that no encoder spells them.
fn spare_bits_set(base64url: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_ne!(base64url.len() % 4, 0, "there are spare bits");
    let (rest, last) = base64url.split_at(base64url.len() - 1);
    let place = ALPHABET.find(last).expect("base64url");
    format!("{rest}{}", &ALPHABET[place + 1..place + 2])
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs()
}
