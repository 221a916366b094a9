//! Claims that do not do.

use serde_json::{Value, json};

use super::{Bench, Shape, changed, now, remove};

impl Bench<'_> {
    pub(super) fn times(&self) -> Vec<Shape> {
        let mut shapes = Vec::new();
        let now = now();
        for (name, iat, exp) in [
            ("over for a second", now - 301, now - 1),
            ("over for a day", now - 90_000, now - 86_400),
            ("over since 1970", 0, 0),
        ] {
            let token =
                self.with(|claims| (claims["iat"], claims["exp"]) = (json!(iat), json!(exp)));
            shapes.push(Shape { code: "token_expired", ..Shape::bearer(name, &token) });
        }
        // Numbers as they stand, since no JSON value can hold them all.
        for number in [
            "\"9999999999\"",
            "\"\"",
            "null",
            "true",
            "[]",
            "{}",
            "-1",
            "-9999999999",
            "9999999999.5",
            "1e10",
            "0.5",
            "253402300800",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "340282366920938463463374607431768211456",
            "1e300",
            "1e400",
            "-1e400",
        ] {
            for name in ["exp", "iat"] {
                let rest = changed(&self.claims, |claims| remove(claims, name)).to_string();
                let token = self.forge.sign(
                    &self.forge.header().to_string(),
                    &format!("{{\"{name}\":{number},{}", &rest[1..]),
                );
                shapes.push(Shape::bearer(&format!("{name} {number}"), &token));
            }
        }
        shapes.push(Shape::bearer(
            "issued after it ends",
            &self.with(|claims| {
                (claims["iat"], claims["exp"]) = (json!(now + 200), json!(now + 100));
            }),
        ));
        shapes
    }

    pub(super) fn other_claims(&self) -> Vec<Shape> {
        let mut shapes = Vec::new();
        for name in ["iss", "sub", "iat", "exp", "sid"] {
            shapes.push(Shape::bearer(
                &format!("no {name}"),
                &self.with(|claims| remove(claims, name)),
            ));
            let claims = self.claims.to_string();
            let twice = format!("{{\"{name}\":{},{}", self.claims[name], &claims[1..]);
            shapes.push(Shape::bearer(
                &format!("{name} twice"),
                &self.forge.sign(&self.forge.header().to_string(), &twice),
            ));
        }
        let wrong: [(&str, &[Value]); 5] = [
            (
                "iss",
                &[
                    json!("https://evil.example"),
                    json!(""),
                    json!("https://issuer.test/"),
                    json!("HTTPS://ISSUER.TEST"),
                    json!(null),
                    json!(["https://issuer.test"]),
                ],
            ),
            ("sub", &[json!(1), json!(null), json!(["1"]), json!({})]),
            (
                "sid",
                &[
                    json!(1),
                    json!(null),
                    json!(""),
                    json!("0000000000000000"),
                    json!("1"),
                    json!("zzzzzzzzzzzzzzzz"),
                    json!("' OR 1=1 --"),
                    json!([self.claims["sid"]]),
                ],
            ),
            ("auth_time", &[json!("1"), json!(-1), json!(1.5)]),
            ("csrf", &[json!(1), json!(["x"]), json!({})]),
        ];
        for (name, values) in wrong {
            for value in values {
                shapes.push(Shape::bearer(
                    &format!("{name} {value}"),
                    &self.with(|claims| claims[name] = value.clone()),
                ));
            }
        }
        // The signature and the form are good: a logout, which needs no user, would take them.
        for sub in
            ["", "alice", "1 OR 1=1", "1.0", "1e0", "99999999999999999999", "0x1", "1\u{0}", "١"]
        {
            let token = self.with(|claims| claims["sub"] = json!(sub));
            shapes.push(Shape { verifies: true, ..Shape::bearer(&format!("sub {sub:?}"), &token) });
        }
        shapes
    }

    pub(super) fn endings(&self) -> Vec<Shape> {
        let ended = |name: &str, end: &[&str], code| {
            self.world.user(name);
            let mut native = self.world.native();
            native.login(name).expect(200);
            self.world.cli(end).ok();
            let check = || {
                self.world
                    .request("GET", "/accounts/verify")
                    .bearer(&native.access_token)
                    .send()
                    .status
                    == 401
            };
            countersign_e2e::eventually("the token is dead", check);
            Shape {
                code,
                verifies: true,
                ..Shape::bearer(&format!("{end:?}"), &native.access_token)
            }
        };
        vec![
            ended("deleted", &["user", "delete", "deleted", "--noinput"], "user_inactive"),
            ended("inactive", &["user", "deactivate", "inactive"], "user_inactive"),
            ended("revoked", &["session", "revoke", "--user", "revoked"], "session_revoked"),
            Shape {
                code: "user_inactive",
                verifies: true,
                ..Shape::bearer("nobody's", &self.with(|claims| claims["sub"] = json!("424242")))
            },
            Shape {
                code: "user_inactive",
                verifies: true,
                ..Shape::bearer("sub -1", &self.with(|claims| claims["sub"] = json!("-1")))
            },
        ]
    }
}
