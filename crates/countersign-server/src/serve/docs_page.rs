//! `GET /openapi.json` and `GET /docs`: the interface, for programs and for people.
//!
//! The page is made on the server and can be read without its script, which is there to try
//! operations. Its Content-Security-Policy knows this server alone.

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
    let mut document = auth.openapi_with(Own::openapi());
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document
}

pub(super) fn routes(document: &utoipa::openapi::OpenApi) -> Router {
    // A document made of our own types serialises; if it ever did not, there would be nothing to
    // show.
    let json = serde_json::to_value(document).unwrap_or_default();
    let page = Page::new(&json).render().unwrap_or_default();
    let json = json.to_string();
    let json = get(async move || {
        ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")], json)
    });
    let page = get(async move || {
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CACHE_CONTROL, "public, max-age=300"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "no-referrer"),
        ];
        (headers, page).into_response()
    });
    let file = |content_type: &'static str, text: &'static str| {
        get(async move || ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache")], text))
    };
    Router::new()
        .route("/openapi.json", json.clone())
        .route("/openapi.json/", json)
        .route("/docs", page.clone())
        .route("/docs/", page)
        .route("/docs/docs.css", file("text/css; charset=utf-8", STYLE))
        .route("/docs/try.js", file("text/javascript; charset=utf-8", SCRIPT))
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
    /// Whether it needs an access token.
    bearer: bool,
    /// Whether it looks at one.
    takes_bearer: bool,
    parameters: Vec<Parameter<'a>>,
    body: Vec<Field<'a>>,
    needs_body: bool,
    /// A body to begin with, if it takes one: what has to be in it.
    example: Option<String>,
    answers: Vec<Answer<'a>>,
}

struct Parameter<'a> {
    name: &'a str,
    place: &'a str,
    required: bool,
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
        let operations = || {
            entries(&document["paths"]).flat_map(|(path, item)| {
                entries(item).map(move |(method, operation)| (path, method, operation))
            })
        };
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
        let body = entries(&operation["requestBody"]["content"])
            .next()
            .map(|(_, content)| schema(document, &content["schema"]));
        let needs_body = operation["requestBody"]["required"] == true;
        let security = || operation["security"].as_array().into_iter().flatten();
        Self {
            method: method.to_ascii_uppercase(),
            path,
            summary: text(&operation["summary"]),
            bearer: security().next().is_some()
                && security().all(|one| one.get("bearer").is_some()),
            takes_bearer: security().any(|one| one.get("bearer").is_some()),
            parameters: operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(Parameter::new)
                .collect(),
            body: body
                .map(|body| {
                    entries(&body["properties"])
                        .map(|(name, field)| Field::new(document, name, field))
                        .collect()
                })
                .unwrap_or_default(),
            needs_body,
            example: body
                .map(|body| if needs_body { example(document, body) } else { String::new() }),
            answers: entries(&operation["responses"])
                .map(|(status, answer)| Answer {
                    status,
                    description: text(&answer["description"]),
                })
                .collect(),
        }
    }
}

impl<'a> Parameter<'a> {
    fn new(parameter: &'a Value) -> Self {
        Self {
            name: text(&parameter["name"]),
            place: text(&parameter["in"]),
            required: parameter["required"] == true,
            description: text(&parameter["description"]),
        }
    }
}

impl<'a> Field<'a> {
    fn new(document: &'a Value, name: &'a str, field: &'a Value) -> Self {
        let resolved = schema(document, field);
        let kind = match &resolved["type"] {
            Value::Array(kinds) => {
                kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
            }
            kind => text(kind).to_owned(),
        };
        // What is said beside a reference is said of this field; what it leads to speaks of every
        // use.
        let places = [field, referring(field), resolved];
        let description = places
            .into_iter()
            .map(|place| text(&place["description"]))
            .find(|said| !said.is_empty())
            .unwrap_or_default();
        Self { name, kind, description }
    }
}

/// The schema itself, or the one that it refers to, `null` left aside.
fn schema<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let chosen = referring(schema);
    match chosen["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or(&Value::Null),
        None => chosen,
    }
}

/// The fields that a body has to have, with their examples. Where there is none, whoever tries
/// fills it in.
fn example(document: &Value, body: &Value) -> String {
    let required = body["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let fields = required.map(|name| {
        let field = schema(document, &body["properties"][name]);
        let examples = [&field["examples"][0], &field["example"]];
        let example = examples.into_iter().find(|example| !example.is_null());
        (name.to_owned(), example.cloned().unwrap_or_else(|| Value::from("")))
    });
    serde_json::to_string_pretty(&Value::Object(fields.collect())).unwrap_or_default()
}

/// The schema itself, or the choice in it that is not `null`.
fn referring(schema: &Value) -> &Value {
    let choices = schema["oneOf"].as_array();
    choices.and_then(|all| all.iter().find(|one| one["type"] != "null")).unwrap_or(schema)
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("../../templates/docs/docs.css");

const SCRIPT: &str = include_str!("../../templates/docs/try.js");
