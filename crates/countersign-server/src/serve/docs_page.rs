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
#[openapi(
    paths(super::health::healthz, super::health::readyz),
    tags((name = "operation", description = "For who runs it"))
)]
struct Own;

#[derive(Template)]
#[template(path = "docs.html")]
struct Page<'a> {
    title: &'a str,
    description: &'a str,
    version: &'a str,
    /// Where a login is posted, if it is in the document.
    login: Option<&'a str>,
    tags: Vec<Tag<'a>>,
    /// What a refusal says.
    problem: Vec<Field<'a>>,
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
    parameters: Vec<Field<'a>>,
    /// What is said of the body as a whole.
    about_body: &'a str,
    body: Vec<Field<'a>>,
    needs_body: bool,
    /// A body to begin with, if it takes one: what has to be in it.
    example: Option<String>,
    answers: Vec<Answer<'a>>,
    /// What a good answer says.
    comes: Vec<Field<'a>>,
}

/// A parameter, or a field of a body.
struct Field<'a> {
    name: String,
    /// Where a parameter stands.
    place: &'a str,
    required: bool,
    kind: String,
    description: &'a str,
    /// The values that it may have, where they are few.
    values: Vec<&'a str>,
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
        let login = operations().find(|(_, _, operation)| operation["operationId"] == "login");
        Self {
            title: text(&document["info"]["title"]),
            description: text(&document["info"]["description"]),
            version: text(&document["info"]["version"]),
            login: login.map(|(path, _, _)| path),
            tags: tags.collect(),
            problem: fields(document, &document["components"]["schemas"]["Problem"]),
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
        let answers = || entries(&operation["responses"]);
        let comes = answers()
            .find(|(status, _)| status.starts_with('2'))
            .map(|(_, answer)| fields(document, &answer["content"]["application/json"]["schema"]));
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
                .map(|parameter| Field::of_parameter(document, parameter))
                .collect(),
            about_body: text(&operation["requestBody"]["description"]),
            body: body.map(|body| fields(document, body)).unwrap_or_default(),
            needs_body,
            example: body
                .map(|body| if needs_body { example(document, body) } else { String::new() }),
            answers: answers()
                .map(|(status, answer)| Answer {
                    status,
                    description: text(&answer["description"]),
                })
                .collect(),
            comes: comes.unwrap_or_default(),
        }
    }
}

impl<'a> Field<'a> {
    fn of_parameter(document: &'a Value, parameter: &'a Value) -> Self {
        Self {
            place: text(&parameter["in"]),
            required: parameter["required"] == true,
            description: text(&parameter["description"]),
            ..Self::new(document, text(&parameter["name"]), &parameter["schema"])
        }
    }

    fn new(document: &'a Value, name: &str, field: &'a Value) -> Self {
        let resolved = schema(document, field);
        let mut kind = match &resolved["type"] {
            Value::Array(kinds) => {
                kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
            }
            kind => text(kind).to_owned(),
        };
        for (bound, words) in [
            ("minimum", "from"),
            ("maximum", "to"),
            ("minLength", "at least"),
            ("maxLength", "at most"),
        ] {
            if let Some(number) = resolved[bound].as_u64() {
                kind.push_str(&format!(", {words} {number}"));
            }
        }
        let lengths = ["minLength", "maxLength"].map(|bound| resolved[bound].is_u64());
        if lengths.contains(&true) {
            kind.push_str(" characters");
        }
        // What is said beside a reference is said of this field; what it leads to speaks of every
        // use.
        let places = [field, referring(field), resolved];
        let description = places
            .into_iter()
            .map(|place| text(&place["description"]))
            .find(|said| !said.is_empty())
            .unwrap_or_default();
        let values = [&resolved["enum"], &resolved["x-extensible-enum"]];
        let values = values.into_iter().filter_map(Value::as_array).flatten();
        Self {
            name: name.to_owned(),
            place: "",
            required: false,
            kind,
            description,
            values: values.filter_map(Value::as_str).collect(),
        }
    }
}

/// The fields of an object, and of the objects in it: `user.id`, `sessions[].id`.
fn fields<'a>(document: &'a Value, object: &'a Value) -> Vec<Field<'a>> {
    let object = schema(document, object);
    let parts = object["allOf"].as_array().into_iter().flatten();
    let mut all: Vec<Field<'a>> = parts.flat_map(|part| fields(document, part)).collect();
    for (name, field) in entries(&object["properties"]) {
        let required = object["required"].as_array().is_some_and(|all| all.contains(&name.into()));
        all.push(Field { required, ..Field::new(document, name, field) });
        let resolved = schema(document, field);
        let (inner, between) = if resolved["items"].is_null() {
            (resolved, ".")
        } else {
            (schema(document, &resolved["items"]), "[].")
        };
        let within = fields(document, inner).into_iter();
        all.extend(within.map(|one| Field { name: format!("{name}{between}{}", one.name), ..one }));
    }
    all
}

/// A text in parts, of which each second stood between backticks, and is code.
fn parts(text: &str) -> impl Iterator<Item = (bool, &str)> {
    text.split('`').enumerate().map(|(number, part)| (number % 2 == 1, part))
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
