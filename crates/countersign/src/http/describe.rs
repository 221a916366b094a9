//! What all endpoints have in common, added to the OpenAPI document in one place: an endpoint names
//! only what is its own.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    ContentBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
};

/// The security scheme of access tokens.
pub(crate) const BEARER: &str = "bearer";

/// Adds to every operation what follows from what it says of itself:
///
/// - where an access token is needed, how that is refused, and that the store may not answer; where
///   something is written with it, `X-CSRFTOKEN`, and how that is refused;
/// - where a body is read, how it is refused, and that it may be a form;
/// - to every refusal its shape, and the headers that come with its status.
///
/// A description that the operation has of its own stays.
///
/// `problem` is the name of the schema of refusals.
pub(crate) fn complete(document: &mut OpenApi, problem: &str) {
    for item in document.paths.paths.values_mut() {
        let writing = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in writing.into_iter().flatten() {
            complete_operation(operation, true, problem);
        }
        if let Some(operation) = &mut item.get {
            complete_operation(operation, false, problem);
        }
    }
}

fn complete_operation(operation: &mut Operation, writes: bool, problem: &str) {
    let bearer = SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, []);
    if operation.security.as_deref() == Some(&[bearer]) {
        refusals(operation, &[NO_TOKEN, UNAVAILABLE]);
        if writes {
            operation.parameters.get_or_insert_default().push(csrf_header().into());
            refusals(operation, &[(403, "csrf_failed")]);
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        as_it_is_read(body);
        refusals(operation, &BODY);
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(Parameter { schema: Some(schema), .. }) = parameter {
            without_null(schema);
        }
    }
    for (status, response) in &mut operation.responses.responses {
        if let (Ok(status @ 400..), RefOr::T(response)) = (status.parse(), response) {
            as_a_problem(status, response, problem);
        }
    }
}

fn refusals(operation: &mut Operation, refusals: &[(u16, &str)]) {
    for (status, description) in refusals {
        let response = || ResponseBuilder::new().description(*description).build().into();
        operation.responses.responses.entry(status.to_string()).or_insert_with(response);
    }
}

/// What is optional may be left out, but may not be null. That a form is taken too is said in
/// words: clients that are made of the document would otherwise have two types for one body.
fn as_it_is_read(body: &mut RequestBody) {
    for content in body.content.values_mut() {
        if let RefOr::T(content) = content
            && let Some(schema) = &mut content.schema
        {
            without_null(schema);
        }
    }
    // Said either way: who reads the document need not know what stands for nothing.
    body.required.get_or_insert(Required::False);
    let said = body.description.take().map(|said| said + ". ").unwrap_or_default();
    body.description = Some(said + "A form (`application/x-www-form-urlencoded`) is taken too");
}

fn without_null(schema: &mut RefOr<Schema>) {
    let null: RefOr<Schema> = ObjectBuilder::new().schema_type(Type::Null).into();
    match schema {
        RefOr::T(Schema::OneOf(choice)) => {
            let mut others = choice.items.iter().filter(|one| **one != null);
            if let (Some(only), None) = (others.next().cloned(), others.next()) {
                *schema = only;
            }
        }
        RefOr::T(Schema::Object(object)) => {
            if let SchemaType::Array(types) = &mut object.schema_type {
                types.retain(|one| *one != Type::Null);
                if let [only] = types.as_slice() {
                    object.schema_type = only.clone().into();
                }
            }
        }
        _ => {}
    }
}

/// RFC 9457.
fn as_a_problem(status: u16, response: &mut Response, problem: &str) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(problem))).build();
    response.content.clear();
    response.content.insert("application/problem+json".to_owned(), problem.into());
    let (name, kind, description) = match status {
        401 => ("WWW-Authenticate", Type::String, "`Bearer`, with the error of RFC 6750"),
        429 | 503 => ("Retry-After", Type::Integer, "After how many seconds to try again"),
        _ => return,
    };
    let header = HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(kind)))
        .description(Some(description))
        .build();
    response.headers.entry(name.to_owned()).or_insert_with(|| header.into());
}

fn csrf_header() -> Parameter {
    ParameterBuilder::new()
        .name("X-CSRFTOKEN")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some("Browsers: the session's CSRF token"))
        .build()
}

const NO_TOKEN: (u16, &str) =
    (401, "not_authenticated, token_invalid, token_expired, session_revoked, user_inactive");

const UNAVAILABLE: (u16, &str) =
    (503, "unavailable: nothing was done, or it is not known whether it was; to repeat it is safe");

const BODY: [(u16, &str); 4] = [
    (400, "parse_error, validation_error"),
    (408, "request_timeout: the body took too long to arrive"),
    (413, "payload_too_large: the body is larger than 64 KiB"),
    (415, "unsupported_media_type: neither JSON nor a form, not in UTF-8, or encoded"),
];
