//! Before something dangerous: the operator proves again who they are, with all that a sign-in asks
//! of them.

use askama::Template;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use countersign::password::Password;
use countersign::store::CheckedRow;
use countersign::store::admin::AuditKind;
use countersign::user::Account;
use countersign::{FactorRefused, FactorShown, PasswordRefused};

use super::enter::note;
use super::posted::Posted;
use super::shown::{CODE_MAX_CHARS, shown};
use super::token::pending_cookie;
use crate::admin::kit::field::{Errors, Field};
use crate::admin::kit::frame::Frame;
use crate::admin::kit::page::{page_with_passkey, with_cookie};
use crate::admin::kit::page_error::PageError;
use crate::admin::site::Admin;

impl Posted {
    /// Before something dangerous: asks who it is, unless they proved it lately. Who has a second
    /// factor is asked for it after the password, or for a passkey in the place of both. What was
    /// filled in comes back with the question.
    ///
    /// # Errors
    /// A page that asks.
    pub(crate) async fn confirm(&self, admin: &Admin) -> Result<(), PageError> {
        if self.staff.is_fresh(admin.clock.now()) {
            return Ok(());
        }
        let text = |name| self.form.text(name);
        let (password, code, passkey) = (text("own_password"), text("own_code"), text("passkey"));
        if !passkey.is_empty() || !code.is_empty() {
            return self.confirm_by_factor(admin, code, passkey).await;
        }
        if password.is_empty() {
            return Err(self.ask(admin, Ask::Password, StatusCode::FORBIDDEN, "").await?);
        }
        let wrong = "This is not your password.";
        let Ok(password) = Password::parse(password.to_owned()) else {
            return Err(self.ask(admin, Ask::Password, StatusCode::FORBIDDEN, wrong).await?);
        };
        let name = &self.staff.user.username;
        let checked =
            admin.auth.check_password_again(name, &password, &self.peer, self.is_theirs());
        match checked.await {
            Ok(checked) => self.note_proof(admin, &checked.row, Ask::Password, wrong).await,
            Err(PasswordRefused::SecondFactor { pending_token, .. }) => {
                let asks = self.page(admin, Ask::Code, StatusCode::FORBIDDEN, "").await?;
                Err(PageError::page(with_cookie(asks, pending_cookie(admin, &pending_token))))
            }
            Err(PasswordRefused::Wrong { .. }) => {
                self.note(admin, AuditKind::AdminLoginFailed);
                Err(self.ask(admin, Ask::Password, StatusCode::FORBIDDEN, wrong).await?)
            }
            Err(PasswordRefused::Throttled { wait, .. }) => {
                Err(self.wait(admin, Ask::Password, wait.seconds()).await?)
            }
            Err(_) => Err(PageError::Unavailable),
        }
    }

    /// With the code that comes after the password, or with a passkey, before which none is needed.
    async fn confirm_by_factor(
        &self,
        admin: &Admin,
        code: &str,
        passkey: &str,
    ) -> Result<(), PageError> {
        let (ask, wrong) = if passkey.is_empty() {
            (Ask::Code, WRONG_CODE)
        } else {
            (self.before(), WRONG_PASSKEY)
        };
        let Some(shown) = shown(code, passkey) else {
            return Err(self.ask(admin, ask, StatusCode::FORBIDDEN, wrong).await?);
        };
        let checked = match &self.pending {
            _ if !passkey.is_empty() => self.by_passkey(admin, &shown).await,
            Some(waits) => {
                admin.auth.check_factor(&waits.0, &shown, &self.peer, self.is_theirs()).await
            }
            None => Err(FactorRefused::Over),
        };
        match checked {
            Ok(checked) => {
                self.note_proof(admin, &checked.row, ask, wrong).await?;
                if shown.is_recovery_code() {
                    self.note(admin, AuditKind::RecoveryCodeUsed);
                }
                Ok(())
            }
            Err(FactorRefused::Wrong { .. }) => {
                self.note(admin, AuditKind::AdminLoginFailed);
                Err(self.ask(admin, ask, StatusCode::FORBIDDEN, wrong).await?)
            }
            Err(FactorRefused::Throttled { wait, .. }) => {
                Err(self.wait(admin, ask, wait.seconds()).await?)
            }
            Err(FactorRefused::Over) => {
                Err(self.ask(admin, Ask::Password, StatusCode::FORBIDDEN, OVER).await?)
            }
            Err(_) => Err(PageError::Unavailable),
        }
    }

    /// A passkey of nobody's is wrong here too.
    async fn by_passkey(
        &self,
        admin: &Admin,
        shown: &FactorShown,
    ) -> Result<countersign::PasswordChecked, FactorRefused> {
        let user = self.staff.user.id;
        let checked = admin.auth.check_passkey(shown, &self.peer, self.is_theirs()).await;
        checked.map_err(|refused| match refused {
            FactorRefused::Over => FactorRefused::Wrong { user },
            other => other,
        })
    }

    /// Notes in the session that its operator has proved who they are.
    async fn note_proof(
        &self,
        admin: &Admin,
        row: &CheckedRow,
        ask: Ask,
        wrong: &str,
    ) -> Result<(), PageError> {
        let (session, now) = (&self.staff.session, admin.clock.now());
        if admin.store.confirm_admin_session(session, row, now).await? {
            return Ok(());
        }
        if admin.store.admin_session(session.token_hash).await?.is_none() {
            // It ended while this was checked.
            return Err(PageError::SignedOut(self.path.clone()));
        }
        // It was used elsewhere at the same moment, or the account is another.
        Err(self.ask(admin, ask, StatusCode::FORBIDDEN, wrong).await?)
    }

    /// Only who is signed in proves that it is them.
    fn is_theirs(&self) -> impl Fn(&dyn Account) -> bool + Send + use<> {
        let id = self.staff.user.id;
        move |user| user.is_staff() && user.id() == id
    }

    /// What was asked when a passkey came in its place.
    fn before(&self) -> Ask {
        if self.pending.is_some() { Ask::Code } else { Ask::Password }
    }

    fn note(&self, admin: &Admin, kind: AuditKind) {
        note(admin, kind, Some(self.staff.user.id), &self.peer);
    }

    /// Too many have failed.
    async fn wait(&self, admin: &Admin, ask: Ask, seconds: u32) -> Result<PageError, PageError> {
        self.note(admin, AuditKind::LoginThrottled);
        let said = "Too many attempts have failed. Wait a while and try again.";
        let mut asks = self.page(admin, ask, StatusCode::TOO_MANY_REQUESTS, said).await?;
        asks.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        Ok(PageError::page(asks))
    }

    async fn ask(
        &self,
        admin: &Admin,
        ask: Ask,
        status: StatusCode,
        problem: &str,
    ) -> Result<PageError, PageError> {
        Ok(PageError::page(self.page(admin, ask, status, problem).await?))
    }

    /// The page that asks, and brings what was filled in back with it. Passwords are not brought
    /// back.
    async fn page(
        &self,
        admin: &Admin,
        ask: Ask,
        status: StatusCode,
        problem: &str,
    ) -> Result<Response, PageError> {
        let is_kept = |name: &str| !OWN.contains(&name) && !name.starts_with("password");
        let kept = self.form.fields().filter(|(name, _)| is_kept(name)).collect();
        let factors = admin.store.factors_of(self.staff.user.id).await?;
        let has_passkey = factors.factors.iter().any(|factor| factor.credential.is_some());
        let mut errors = Errors::default();
        let field = match ask {
            Ask::Password => Field::password("own_password", "Your password", "current-password"),
            Ask::Code => Field {
                autocomplete: "one-time-code",
                ..Field::text("own_code", "Code", "", CODE_MAX_CHARS).required()
            }
            .hint("Of your authenticator app, or one of your recovery codes."),
        };
        if !problem.is_empty() {
            errors.add(field.name, problem);
        }
        let template = Confirm {
            frame: self.staff.frame("", "Is it you?"),
            path: &self.path,
            kept,
            asks_code: ask == Ask::Code,
            field: field.wrong(&errors),
            options: has_passkey.then(|| admin.passkey_options()),
        };
        Ok(page_with_passkey(status, &template))
    }
}

/// What an operator is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Password,
    /// Once the password was right.
    Code,
}

#[derive(Template)]
#[template(path = "admin/confirm.html")]
struct Confirm<'a> {
    frame: Frame,
    path: &'a str,
    kept: Vec<(&'a str, &'a str)>,
    asks_code: bool,
    field: Field<'a>,
    /// Where the script asks what a passkey is to sign, of who has one.
    options: Option<String>,
}

/// The fields of the question itself.
const OWN: [&str; 4] = ["csrf", "own_password", "own_code", "passkey"];

const WRONG_CODE: &str = "This code is wrong, or was used already.";
const WRONG_PASSKEY: &str = "This passkey was not accepted.";

/// What is said of a question that waited too long for its second half, or was tried too often.
const OVER: &str = "This took too long, or was tried too often. Begin with your password again.";
