//! The OpenAPI document of an app with users of its own.

use super::*;

#[derive(serde::Serialize, utoipa::ToSchema)]
struct Described {
    nickname: String,
    plan: Plan,
    /// A list, a map and a field named like a keyword of the schema: anything may be in them.
    notes: Vec<Value>,
    labels: std::collections::BTreeMap<String, Value>,
    properties: Value,
}

#[derive(serde::Serialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "it is a description")]
enum Plan {
    Gold,
    Silver,
}

/// The app has a type of this name, too.
mod theirs {
    #[derive(utoipa::ToSchema)]
    #[expect(dead_code, reason = "it is a description")]
    pub(super) struct User {
        shoe_size: u32,
    }

    #[utoipa::path(get, path = "/login", responses((status = 200, body = User), (status = 404)))]
    #[expect(dead_code, reason = "it is a description")]
    pub(super) async fn login() {}

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(login))]
    pub(super) struct Own;
}

async fn document(settle: impl FnOnce(AuthBuilder) -> AuthBuilder) -> Value {
    let (builder, _directory, _) = builder();
    let auth = settle(builder).build().await.unwrap();
    let own = <theirs::Own as utoipa::OpenApi>::openapi();
    serde_json::to_value(auth.openapi_with(own)).unwrap()
}

#[tokio::test]
async fn an_own_user_is_described_as_the_app_says_and_else_as_anything() {
    let members = Members::with(cheap(), &["41"]).await;
    let any = document(|builder| builder.users(members.clone()).openapi_prefix("Auth")).await;
    let user = &any["components"]["schemas"]["AuthUser"];
    assert!(user.get("properties").is_none() && user["type"] == "object", "{user}");
    assert!(any["paths"]["/accounts/profile"].get("patch").is_none(), "which answers 405");

    let described = document(|builder| {
        builder.users(members).user_schema::<Described>().openapi_prefix("Auth")
    });
    let described = described.await;
    let schemas = &described["components"]["schemas"];
    assert!(schemas["AuthUser"]["properties"]["nickname"].is_object(), "{schemas}");
    assert_eq!(
        schemas["AuthUser"]["properties"]["plan"]["$ref"], "#/components/schemas/AuthPlan",
        "what it refers to comes with it"
    );
    assert!(schemas["AuthPlan"].is_object());
    for anything in ["notes", "labels", "properties"] {
        let field = &schemas["AuthUser"]["properties"][anything];
        let inside = field.get("items").or_else(|| field.get("additionalProperties"));
        assert!(field.is_object() && inside.unwrap_or(field).get("type").is_none(), "{field}");
    }
}

#[tokio::test]
async fn with_a_prefix_no_name_of_the_app_is_taken() {
    let document = document(|builder| builder.openapi_prefix("Auth")).await;
    let schemas = &document["components"]["schemas"];
    assert!(schemas["User"]["properties"]["shoe_size"].is_object(), "{schemas}");
    assert!(schemas["AuthUser"]["properties"]["username"].is_object());
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
            let refusal = &operation["responses"]["404"]["content"];
            if path == "/login" {
                let schema = &refusal["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/AuthProblem");
            }
        }
    }
    assert!(ids.contains(&"login".to_owned()) && ids.contains(&"auth_login".to_owned()), "{ids:?}");
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "each once");
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.get(name).is_some(), "{name}");
    }
}
