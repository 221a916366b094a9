//! What an app has to say before somebody registers, and what it does after.

use countersign::http::{Code, OwnCode, Problem};
use countersign::registration::{Asked, Registered, RegistrationHooks};
use countersign::settings::EmailVerification;
use tokio::sync::mpsc;

use super::registers::Shop;
use super::*;

#[derive(Debug)]
struct Doorkeeper(mpsc::UnboundedSender<Registered>);

static STRANGER: OwnCode = OwnCode {
    status: StatusCode::FORBIDDEN,
    code: "domain_not_allowed",
    title: "Domain not allowed",
    detail: "Only addresses of example.com may register.",
};

#[async_trait::async_trait]
impl RegistrationHooks for Doorkeeper {
    async fn before(&self, asked: &mut Asked<'_>) -> Result<(), Problem> {
        if asked.domain() != Some("example.com") {
            return Err(Problem::new(Code::Own(&STRANGER)));
        }
        if asked.headers.get("x-captcha").is_none_or(|answer| answer != "7") {
            return Err(Problem::new(Code::ValidationError).field("captcha", "Try once more."));
        }
        let company = asked.text("company").to_owned();
        asked.metadata.insert("company".to_owned(), company.into());
        Ok(())
    }

    async fn after(&self, registered: Registered) {
        self.0.send(registered).unwrap();
    }
}

async fn shop(verification: EmailVerification) -> (Shop, mpsc::UnboundedReceiver<Registered>) {
    let (sender, told) = mpsc::unbounded_channel();
    let shop = Shop::with(verification, |builder| builder.registration_hooks(Doorkeeper(sender)));
    (shop.await, told)
}

/// Somebody who has read the picture.
async fn register(shop: &Shop, name: &str, email: &str) -> (StatusCode, Value) {
    let body = json!({"username": name, "email": email, "password": PASSWORD,
        "company": "Analytical Engines", "is_admin": true});
    let mut request = post("/accounts/register", &body);
    request.headers_mut().insert("x-captcha", "7".parse().unwrap());
    request.headers_mut().insert("origin", "http://localhost:8000".parse().unwrap());
    send(&shop.app, request).await
}

#[tokio::test]
async fn who_is_refused_hears_why_and_nothing_is_made() {
    let (shop, mut told) = shop(EmailVerification::Required).await;
    let (status, refused) = register(&shop, "eve", "eve@example.org").await;
    assert_eq!((status, &refused["code"]), (StatusCode::FORBIDDEN, &json!("domain_not_allowed")));
    assert_eq!(refused["detail"], "Only addresses of example.com may register.");
    let (status, refused) = shop.register("ada", "ada@example.com").await;
    assert_eq!(
        (status, &refused["errors"]["captcha"][0]),
        (StatusCode::BAD_REQUEST, &json!("Try once more."))
    );
    assert!(shop.customers.0.lock().unwrap().rows.is_empty());
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn what_the_app_keeps_is_in_the_row_and_nothing_else_of_a_stranger_is() {
    let (mut shop, mut told) = shop(EmailVerification::Required).await;
    assert_eq!(register(&shop, "ada", "Ada@EXAMPLE.com").await.0, StatusCode::ACCEPTED);
    let row = shop.customers.only();
    assert_eq!((row.name.as_str(), row.company.as_str()), ("ada", "Analytical Engines"));
    let registered = told.recv().await.unwrap();
    assert_eq!((registered.user, registered.username.as_str()), (row.id, "ada"));
    assert_eq!(registered.email.as_deref(), Some("Ada@example.com"));
    assert_eq!(
        serde_json::to_value(registered.metadata).unwrap(),
        json!({"company": "Analytical Engines"})
    );
    shop.mail().await;
}

#[tokio::test]
async fn whether_an_address_is_taken_the_hooks_do_not_tell() {
    let (mut shop, mut told) = shop(EmailVerification::Required).await;
    register(&shop, "ada", "ada@example.com").await;
    told.recv().await.unwrap();
    let body = json!({"token": shop.token().await, "password": PASSWORD});
    assert_eq!(shop.ask("/accounts/email/verify", body).await.0, StatusCode::NO_CONTENT);
    let taken = register(&shop, "eve", "ada@example.com").await;
    let free = register(&shop, "bob", "bob@example.com").await;
    assert_eq!(taken, free);
    let mails = [shop.mail().await, shop.mail().await];
    assert!(mails.iter().any(|mail| mail.text.contains("already")), "its owner is told");
    let heard = [told.recv().await.unwrap().username, told.recv().await.unwrap().username];
    assert!(heard.contains(&"eve".to_owned()) && heard.contains(&"bob".to_owned()), "{heard:?}");
}

#[tokio::test]
async fn without_an_own_table_what_the_app_keeps_is_the_users_metadata() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let (builder, _directory, _) = builder();
    let mut settings = countersign::Settings::default();
    settings.hash = cheap();
    settings.accounts.registration = countersign::settings::Registration::Open;
    settings.accounts.email_verification = EmailVerification::None;
    let builder = builder.settings(settings).registration_hooks(Doorkeeper(sender));
    let auth = builder.build().await.unwrap();
    let body = json!({"username": "ada", "email": "ada@example.com", "password": PASSWORD,
        "company": "Analytical Engines", "metadata": {"is_admin": true}, "transport": "body"});
    let mut request = post("/accounts/register", &body);
    request.headers_mut().insert("x-captcha", "7".parse().unwrap());
    let (status, answer) = send(&auth.routes(), request).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(answer["user"]["metadata"], json!({"company": "Analytical Engines"}));
    assert_eq!(told.recv().await.unwrap().username, "ada");
}
