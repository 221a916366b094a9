//! People sign up, on a table of the app's own and with fields of its own: a company, terms that
//! must be accepted, and a list of domains whose addresses are let in.
//!
//! ```sh
//! cargo run -p countersign-examples --bin sign-up
//! curl -s -c jar --json '{"email": "ada@example.com", "password": "tin kettle 14",
//!     "company": "Analytical Engines", "terms": true}' http://localhost:8000/accounts/register
//! ls mails     # the link that proves the address, as a file that mail programs open
//! curl -s -b jar --json '{"token": "TOKEN"}' http://localhost:8000/accounts/email/verify
//! ```

mod customers;

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use countersign::http::{Code, OwnCode, Problem};
use countersign::mail::FileMailer;
use countersign::registration::{Asked, Registered, RegistrationHooks};
use countersign::settings::{EmailVerification, Registration, RegistrationField};
use countersign::store::sqlite::SqliteStore;
use countersign::{Auth, CurrentUser, Settings};
use customers::{Customer, Customers};

/// Who may sign up, and with what.
#[derive(Debug)]
struct SignUp;

static STRANGER: OwnCode = OwnCode {
    status: StatusCode::FORBIDDEN,
    code: "domain_not_allowed",
    title: "Domain not allowed",
    detail: "Sign up with your address at example.com or example.org.",
};

#[async_trait::async_trait]
impl RegistrationHooks for SignUp {
    async fn before(&self, asked: &mut Asked<'_>) -> Result<(), Problem> {
        if !asked.domain().is_some_and(|domain| ["example.com", "example.org"].contains(&domain)) {
            return Err(Problem::new(Code::Own(&STRANGER)));
        }
        let mut wrong = Problem::new(Code::ValidationError);
        let company = asked.text("company").trim().to_owned();
        if company.is_empty() || company.chars().count() > 100 {
            wrong = wrong.field("company", "Say where you work, in at most 100 characters.");
        }
        if !asked.flag("terms") {
            wrong = wrong.field("terms", "Nobody signs up without accepting the terms.");
        }
        if wrong.has_field_errors() {
            return Err(wrong);
        }
        // What is not kept here is forgotten.
        asked.metadata.insert("company".to_owned(), company.into());
        Ok(())
    }

    async fn after(&self, registered: Registered) {
        let _ = writeln!(std::io::stdout(), "{} is new, from {}", registered.user, registered.ip);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("data")?;
    let customers = Customers::open(Path::new("data/shop.sqlite3"))?;
    let mails = std::env::var("MAILS").unwrap_or("mails".to_owned());

    let mut settings = Settings::default();
    settings.accounts.registration = Registration::Open;
    // Customers are called by their addresses, so each must be proved before the first login.
    settings.accounts.registration_fields =
        vec![RegistrationField::Email, RegistrationField::Password];
    settings.accounts.email_verification = EmailVerification::Required;

    // Sessions, signing keys, links and mails stay Countersign's.
    let auth = Auth::builder(SqliteStore::open("data/countersign.sqlite3".as_ref())?)
        .settings(settings)
        .secret_file("data/secret")
        .mailer(Arc::new(FileMailer::new(Path::new(&mails))?))
        .registering_users(customers)
        .registration_hooks(SignUp)
        .build()
        .await?;

    let private = Router::new().route("/company", get(company));
    let app = auth.protect(private).merge(auth.routes());

    let address = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// What the form asked for is a column like any other.
async fn company(me: CurrentUser<Customer>) -> String {
    format!("{} works at {}.", me.email, me.company)
}
