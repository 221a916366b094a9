//! `GET /openapi.json` and `GET /docs`: the interface, for programs and for people.
//!
//! The page is made on the server and needs neither scripts nor the network, so its Content-Security-Policy can forbid both.

use askama::Template;
use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::IntoResponse;
use axum::routing::get;
use countersign::Auth;
use serde_json::Value;
use utoipa::OpenApi;

/// The library's document and what the binary adds.
pub(super) fn document(auth: &Auth) -> utoipa::openapi::OpenApi {
    let mut document = auth.openapi();
    document.merge(Own::openapi());
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document
}

pub(super) fn routes(document: &utoipa::openapi::OpenApi) -> Router {
    // A document made of our own types serialises; if it ever did not, there would be nothing to show.
    let json = serde_json::to_value(document).unwrap_or_default();
    let page = Page::new(&json).render().unwrap_or_default();
    let json = json.to_string();
    let json = get(async move || ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")], json));
    let page = get(async move || {
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CACHE_CONTROL, "public, max-age=300"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "no-referrer"),
        ];
        (headers, page).into_response()
    });
    Router::new().route("/openapi.json", json.clone()).route("/openapi.json/", json).route("/docs", page.clone()).route("/docs/", page)
}

#[derive(OpenApi)]
#[openapi(paths(super::health::healthz, super::health::readyz), tags((name = "operation", description = "For who runs it")))]
struct Own;

#[derive(Template)]
#[template(path = "docs.html")]
struct Page<'a> {
    title: &'a str,
    description: &'a str,
    version: &'a str,
    tags: Vec<Tag<'a>>,
}

struct Tag<'a> {
    description: &'a str,
    operations: Vec<Operation<'a>>,
}

struct Operation<'a> {
    method: String,
    path: &'a str,
    summary: &'a str,
    bearer: bool,
    parameters: Vec<Parameter<'a>>,
    body: Vec<Field<'a>>,
    answers: Vec<Answer<'a>>,
}

struct Parameter<'a> {
    name: &'a str,
    place: &'a str,
    description: &'a str,
}

struct Field<'a> {
    name: &'a str,
    kind: String,
    description: &'a str,
}

struct Answer<'a> {
    status: &'a str,
    description: &'a str,
}

impl<'a> Page<'a> {
    fn new(document: &'a Value) -> Self {
        let operations =
            || entries(&document["paths"]).flat_map(|(path, item)| entries(item).map(move |(method, operation)| (path, method, operation)));
        let tags = document["tags"].as_array().into_iter().flatten().map(|tag| Tag {
            description: text(&tag["description"]),
            operations: operations()
                .filter(|(_, _, operation)| operation["tags"][0] == tag["name"])
                .map(|(path, method, operation)| Operation::new(document, path, method, operation))
                .collect(),
        });
        Self {
            title: text(&document["info"]["title"]),
            description: text(&document["info"]["description"]),
            version: text(&document["info"]["version"]),
            tags: tags.collect(),
        }
    }
}

impl<'a> Operation<'a> {
    fn new(document: &'a Value, path: &'a str, method: &str, operation: &'a Value) -> Self {
        let body = entries(&operation["requestBody"]["content"]).next().map(|(_, content)| schema(document, &content["schema"]));
        Self {
            method: method.to_ascii_uppercase(),
            path,
            summary: text(&operation["summary"]),
            bearer: operation["security"].as_array().is_some_and(|all| all.iter().all(|one| one.get("bearer").is_some())),
            parameters: operation["parameters"].as_array().into_iter().flatten().map(Parameter::new).collect(),
            body: body
                .map(|body| entries(&body["properties"]).map(|(name, field)| Field::new(document, name, field)).collect())
                .unwrap_or_default(),
            answers: entries(&operation["responses"])
                .map(|(status, answer)| Answer { status, description: text(&answer["description"]) })
                .collect(),
        }
    }
}

impl<'a> Parameter<'a> {
    fn new(parameter: &'a Value) -> Self {
        Self { name: text(&parameter["name"]), place: text(&parameter["in"]), description: text(&parameter["description"]) }
    }
}

impl<'a> Field<'a> {
    fn new(document: &'a Value, name: &'a str, field: &'a Value) -> Self {
        let resolved = schema(document, field);
        let kind = match &resolved["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
            kind => text(kind).to_owned(),
        };
        let description = Some(text(&field["description"])).filter(|own| !own.is_empty()).unwrap_or_else(|| text(&resolved["description"]));
        Self { name, kind, description }
    }
}

/// The schema itself, or the one that it refers to, `null` left aside.
fn schema<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let choices = schema["oneOf"].as_array();
    let chosen = choices.and_then(|all| all.iter().find(|one| one["type"] != "null")).unwrap_or(schema);
    match chosen["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or(&Value::Null),
        None => chosen,
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
