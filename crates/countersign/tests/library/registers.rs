//! Registration, addresses and forgotten passwords on a table of the app's own.

use countersign::Settings;
use countersign::mail::{MailError, Mailer, Message};
use countersign::settings::{AccountSettings, EmailVerification, Registration};
use countersign::user::{NewUser, Registers, fold_address};
use tokio::sync::mpsc;

use super::*;

/// A row of the app's own table, which has columns that Countersign knows nothing of.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct Customer {
    pub(super) id: UserId,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) is_proved: bool,
    pub(super) company: String,
    #[serde(skip)]
    pub(super) password: EncodedPassword,
    #[serde(skip)]
    pub(super) closed: bool,
}

impl Account for Customer {
    fn id(&self) -> UserId {
        self.id
    }
    fn username(&self) -> &str {
        &self.name
    }
    fn email(&self) -> &str {
        &self.email
    }
    fn is_active(&self) -> bool {
        !self.closed
    }
    fn email_verified(&self) -> bool {
        self.is_proved
    }
}

#[derive(Debug, Default)]
pub(super) struct CustomerRows {
    pub(super) rows: Vec<Customer>,
    /// What the app does to every row, once, between the check and the change of a password.
    meanwhile: Option<fn(&mut Customer)>,
}

/// The table, with its unique constraints.
#[derive(Debug, Clone, Default)]
pub(super) struct Customers(pub(super) Arc<Mutex<CustomerRows>>);

impl Customers {
    pub(super) fn only(&self) -> Customer {
        let table = self.0.lock().unwrap();
        assert_eq!(table.rows.len(), 1);
        table.rows[0].clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Customer)) {
        change(&mut self.0.lock().unwrap().rows[0]);
    }

    fn find(&self, is_it: impl Fn(&Customer) -> bool) -> Option<FoundUser<Customer>> {
        let table = self.0.lock().unwrap();
        let found = table.rows.iter().find(|row| is_it(row))?;
        Some(FoundUser { user: found.clone(), password: found.password.clone() })
    }

    fn update(
        &self,
        is_it: impl Fn(&Customer) -> bool,
        change: impl FnOnce(&mut Customer),
    ) -> bool {
        let mut table = self.0.lock().unwrap();
        table.rows.iter_mut().find(|row| is_it(row)).map(change).is_some()
    }
}

#[async_trait::async_trait]
impl Users for Customers {
    type User = Customer;

    async fn by_login(&self, login: &str) -> Result<Option<FoundUser<Customer>>, StoreError> {
        let folded = fold_address(login);
        Ok(self.find(|row| row.name == login || fold_address(&row.email) == folded))
    }

    async fn by_id(&self, id: UserId) -> Result<Option<FoundUser<Customer>>, StoreError> {
        Ok(self.find(|row| row.id == id))
    }

    async fn set_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        {
            let mut table = self.0.lock().unwrap();
            if let Some(meanwhile) = table.meanwhile.take() {
                table.rows.iter_mut().for_each(meanwhile);
            }
        }
        let is_it = |row: &Customer| row.id == id && row.password.as_str() == old.as_str();
        Ok(self.update(is_it, |row| row.password = new.clone()))
    }

    async fn note_login(&self, _: UserId, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait::async_trait]
impl Registers for Customers {
    async fn create(&self, new: NewUser, _: Timestamp) -> Result<UserId, StoreError> {
        let mut table = self.0.lock().unwrap();
        let email = new.email.as_ref().map_or("", |email| email.as_str());
        let is_taken = |row: &Customer| fold_address(&row.email) == fold_address(email);
        if table.rows.iter().any(|row| row.name == new.username.as_str()) {
            return Err(StoreError::UsernameTaken);
        }
        if !email.is_empty() && table.rows.iter().any(is_taken) {
            return Err(StoreError::EmailTaken);
        }
        let id = UserId::new(i64::try_from(table.rows.len()).unwrap() + 1);
        let company = new.metadata.get("company").and_then(Value::as_str).unwrap_or_default();
        table.rows.push(Customer {
            id,
            name: new.username.as_str().to_owned(),
            email: email.to_owned(),
            is_proved: new.email_verified,
            company: company.to_owned(),
            password: new.password,
            closed: false,
        });
        Ok(id)
    }

    async fn set_verified(&self, id: UserId, address: &str) -> Result<bool, StoreError> {
        Ok(self.update(|row| row.id == id && row.email == address, |row| row.is_proved = true))
    }

    async fn change_address(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError> {
        if self.find(|row| row.id != id && fold_address(&row.email) == fold_address(new)).is_some()
        {
            return Err(StoreError::EmailTaken);
        }
        Ok(self.update(
            |row| row.id == id && row.email == old,
            |row| (row.email, row.is_proved) = (new.to_owned(), true),
        ))
    }

    async fn delete(&self, id: UserId) -> Result<bool, StoreError> {
        let mut table = self.0.lock().unwrap();
        let before = table.rows.len();
        table.rows.retain(|row| row.id != id);
        Ok(table.rows.len() < before)
    }
}

/// Mails arrive in a channel.
#[derive(Debug)]
struct Letterbox(mpsc::UnboundedSender<Message>);

#[async_trait::async_trait]
impl Mailer for Letterbox {
    async fn send(&self, message: &Message) -> Result<(), MailError> {
        self.0.send(message.clone()).map_err(MailError::later)
    }
}

pub(super) struct Shop {
    pub(super) auth: Auth,
    pub(super) app: Router,
    pub(super) customers: Customers,
    mails: mpsc::UnboundedReceiver<Message>,
    _directory: tempfile::TempDir,
}

impl Shop {
    pub(super) async fn open(verification: EmailVerification) -> Self {
        Self::with(verification, |builder| builder).await
    }

    pub(super) async fn with(
        verification: EmailVerification,
        settle: impl FnOnce(AuthBuilder) -> AuthBuilder,
    ) -> Self {
        let (builder, directory, _) = builder();
        let (sender, mails) = mpsc::unbounded_channel();
        let customers = Customers::default();
        let mut accounts = AccountSettings::default();
        accounts.registration = Registration::Open;
        accounts.email_verification = verification;
        accounts.login_code = true;
        accounts.asks_per_address = 0;
        accounts.notices = false;
        let mut settings = Settings::default();
        settings.hash = cheap();
        settings.accounts = accounts;
        let builder = builder
            .settings(settings)
            .mailer(Arc::new(Letterbox(sender)))
            .registering_users(customers.clone());
        let auth = settle(builder).build().await.unwrap();
        let app = auth.routes();
        Self { auth, app, customers, mails, _directory: directory }
    }

    pub(super) async fn ask(&self, path: &str, body: Value) -> (StatusCode, Value) {
        send(&self.app, post(path, &body)).await
    }

    pub(super) async fn register(&self, name: &str, email: &str) -> (StatusCode, Value) {
        let body = json!({"username": name, "email": email, "password": PASSWORD,
            "transport": "body", "company": "Analytical Engines"});
        self.ask("/accounts/register", body).await
    }

    /// Ada, whose address stands in the row, as an app writes it, and nobody has proved it.
    pub(super) async fn with_an_unproved_address(&mut self) {
        assert_eq!(self.register("ada", "ada@example.com").await.0, StatusCode::ACCEPTED);
        self.mail().await;
        self.customers.change(|row| row.email = "ada@example.com".to_owned());
    }

    pub(super) async fn log_in(&self, name: &str, password: &str) -> (StatusCode, Value) {
        let body = json!({"username": name, "password": password, "transport": "body"});
        self.ask("/accounts/login", body).await
    }

    pub(super) async fn confirm_reset(&self, token: &str, new: &str) -> (StatusCode, Value) {
        let body = json!({"token": token, "new_password": new});
        self.ask("/accounts/password/reset/confirm", body).await
    }

    pub(super) async fn mail(&mut self) -> Message {
        self.mails.recv().await.unwrap()
    }

    /// The token in the link of the next mail.
    pub(super) async fn token(&mut self) -> String {
        token_of(&self.mail().await)
    }
}

pub(super) fn token_of(mail: &Message) -> String {
    let (_, rest) = mail.text.split_once("token=").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

const NEW: &str = "copper lantern 27";

/// What links could change of a row.
fn essence(row: &Customer) -> (String, String, bool) {
    (row.password.as_str().to_owned(), row.email.clone(), row.is_proved)
}

#[tokio::test]
async fn a_table_in_which_nobody_registers_has_no_such_endpoints() {
    let (builder, _directory, _) = builder();
    let (sender, _mails) = mpsc::unbounded_channel();
    let mut accounts = AccountSettings::default();
    accounts.registration = Registration::Open;
    let mut settings = Settings::default();
    settings.hash = cheap();
    settings.accounts = accounts;
    let members = Members::with(cheap(), &["41"]).await;
    let auth = builder
        .settings(settings)
        .mailer(Arc::new(Letterbox(sender)))
        .users(members)
        .build()
        .await
        .unwrap();
    let (app, document) = (auth.routes(), auth.openapi());
    for path in ["/accounts/register", "/accounts/email/verify", "/accounts/email/verify/resend"] {
        assert_eq!(send(&app, post(path, &json!({}))).await.1["code"], "not_found", "{path}");
        assert!(!document.paths.paths.contains_key(path), "{path}");
    }
    let path = "/accounts/password/reset";
    let asked = send(&app, post(path, &json!({"username": "nick-41"}))).await;
    assert_eq!(asked.0, StatusCode::ACCEPTED, "a password is set in any table");
    assert!(document.paths.paths.contains_key(path));
}

#[tokio::test]
async fn who_registers_is_a_row_of_the_app_and_the_address_is_theirs_once_it_is_proved() {
    let mut shop = Shop::open(EmailVerification::Optional).await;
    let (status, answer) = shop.register("ada", "ada@example.com").await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!((&answer["user"]["name"], &answer["user"]["email"]), (&json!("ada"), &json!("")));
    let token = shop.token().await;
    let body = json!({"token": token, "password": PASSWORD});
    let verified = shop.ask("/accounts/email/verify", body.clone()).await;
    assert_eq!(verified.0, StatusCode::NO_CONTENT, "{}", verified.1);
    let row = shop.customers.only();
    assert_eq!((row.email.as_str(), row.is_proved), ("ada@example.com", true));
    assert_eq!(shop.log_in("ada@example.com", PASSWORD).await.0, StatusCode::OK);
    assert_eq!(shop.ask("/accounts/email/verify", body).await.1["code"], "link_invalid", "once");

    let profile = with_token("GET", "/accounts/profile", text(&answer, "access_token"));
    let profile = send(&shop.app, profile).await.1;
    assert_eq!(profile["user"]["email"], "ada@example.com", "the row is read again");
}

#[tokio::test]
async fn nobody_logs_in_before_the_proof_where_it_is_required() {
    let mut shop = Shop::open(EmailVerification::Required).await;
    assert_eq!(shop.register("ada", "ada@example.com").await.0, StatusCode::ACCEPTED);
    let token = shop.token().await;
    assert_eq!(shop.log_in("ada", PASSWORD).await.1["code"], "email_not_verified");
    assert_eq!(shop.log_in("ada", "wrong").await.1["code"], "invalid_credentials");
    let resent = json!({"email": "ada@example.com"});
    assert_eq!(shop.ask("/accounts/email/verify/resend", resent).await.0, StatusCode::ACCEPTED);
    let newer = shop.token().await;
    let verify = |token: String| json!({"token": token, "password": PASSWORD});
    let old = shop.ask("/accounts/email/verify", verify(token)).await;
    assert_eq!(old.1["code"], "link_invalid", "a newer one ends it");
    let new = shop.ask("/accounts/email/verify", verify(newer)).await;
    assert_eq!(new.0, StatusCode::NO_CONTENT, "{}", new.1);
    assert_eq!(shop.log_in("ada", PASSWORD).await.0, StatusCode::OK);
}

#[tokio::test]
async fn who_waits_for_a_proof_is_not_let_in_and_nobody_learns_whether_the_address_is_taken() {
    let mut shop = Shop::open(EmailVerification::Required).await;
    shop.register("ada", "ada@example.com").await;
    let body = json!({"token": shop.token().await, "password": PASSWORD});
    assert_eq!(shop.ask("/accounts/email/verify", body).await.0, StatusCode::NO_CONTENT);
    // The owner has another password than the one that both choose now.
    shop.customers.change(|row| row.password = EncodedPassword::unusable());
    let mut seen = Vec::new();
    for (name, email) in [("eve", "ada@example.com"), ("bob", "bob@example.com")] {
        let mut answers = vec![shop.register(name, email).await];
        for (login, password) in [(name, PASSWORD), (name, "wrong"), (email, PASSWORD)] {
            answers.push(shop.log_in(login, password).await);
        }
        answers.push(shop.register(name, "third@example.com").await);
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    let codes: Vec<&Value> = seen[0].iter().map(|(_, answer)| &answer["code"]).collect();
    let [wrong, not_yet, taken] = ["invalid_credentials", "email_not_verified", "validation_error"];
    assert_eq!(codes, [&Value::Null, &json!(not_yet), &json!(wrong), &json!(wrong), &json!(taken)]);
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_to_its_owner_and_to_nobody_else() {
    for verification in [EmailVerification::Required, EmailVerification::Optional] {
        let mut shop = Shop::open(verification).await;
        shop.register("ada", "ada@example.com").await;
        let token = shop.token().await;
        let body = json!({"token": token, "password": PASSWORD});
        shop.ask("/accounts/email/verify", body).await;
        let (taken, free) = (
            shop.register("eve", "ADA@example.com").await,
            shop.register("bob", "bob@example.com").await,
        );
        assert_eq!(taken.0, free.0);
        let fields = |answer: &Value| -> Vec<String> {
            answer.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(fields(&taken.1), fields(&free.1));
        let (first, second) = (shop.mail().await, shop.mail().await);
        let of = |to: &str| {
            [&first, &second].into_iter().find(|mail| mail.to.eq_ignore_ascii_case(to)).unwrap()
        };
        assert!(of("ada@example.com").text.contains("already"), "{}", of("ada@example.com").text);
        assert!(of("bob@example.com").text.contains("token="));
        let name = shop.register("ada", "eve@example.com").await;
        assert_eq!(name.1["errors"]["username"][0], "A user with that name already exists.");
    }
}

#[tokio::test]
async fn who_registered_with_anothers_address_has_nothing_once_the_owner_proves_it() {
    let mut shop = Shop::open(EmailVerification::Optional).await;
    let (_, thief) = shop.register("eve", "ada@example.com").await;
    let token = shop.token().await;
    // In another browser, without the password of the registration.
    let proved = shop.ask("/accounts/email/verify", json!({"token": token})).await;
    assert_eq!(proved.0, StatusCode::NO_CONTENT, "{}", proved.1);
    let row = shop.customers.only();
    assert!(row.is_proved && !row.password.is_usable());
    let refresh = json!({"refresh_token": text(&thief, "refresh_token")});
    assert_eq!(shop.ask("/accounts/refresh", refresh).await.1["code"], "session_revoked");
    assert_eq!(shop.log_in("eve", PASSWORD).await.1["code"], "invalid_credentials");
}

#[tokio::test]
async fn an_address_that_another_took_meanwhile_is_said_and_the_link_works_on() {
    let mut shop = Shop::open(EmailVerification::Optional).await;
    shop.register("ada", "ada@example.com").await;
    let token = shop.token().await;
    shop.register("bob", "bob@example.com").await;
    let set = |shop: &Shop, email: &str| {
        shop.customers.0.lock().unwrap().rows[1].email = email.to_owned();
    };
    set(&shop, "ada@example.com");
    let body = json!({"token": token, "password": PASSWORD});
    let taken = shop.ask("/accounts/email/verify", body.clone()).await;
    assert_eq!(taken.1["errors"]["email"][0], "Another user has this address.");
    set(&shop, "bob@example.com");
    let now = shop.ask("/accounts/email/verify", body).await;
    assert_eq!(now.0, StatusCode::NO_CONTENT, "{}", now.1);
}

#[tokio::test]
async fn a_forgotten_password_is_chosen_anew_and_proves_the_address() {
    let mut shop = Shop::open(EmailVerification::Required).await;
    shop.with_an_unproved_address().await;
    assert_eq!(
        shop.ask("/accounts/password/reset", json!({"email": "ada@example.com"})).await.0,
        StatusCode::ACCEPTED
    );
    let token = shop.token().await;
    let weak = shop.confirm_reset(&token, "12345").await;
    assert_eq!(weak.1["code"], "validation_error", "and the link works on");
    let done = shop.confirm_reset(&token, NEW).await;
    assert_eq!(done.0, StatusCode::NO_CONTENT, "{}", done.1);
    assert!(shop.customers.only().is_proved, "who has the mailbox has the address");
    assert_eq!(shop.log_in("ada", NEW).await.0, StatusCode::OK);
    assert_eq!(shop.log_in("ada", PASSWORD).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(shop.confirm_reset(&token, PASSWORD).await.1["code"], "link_invalid");
}

#[tokio::test]
async fn of_fifty_confirmations_at_once_one_wins() {
    let mut shop = Shop::open(EmailVerification::Optional).await;
    shop.register("ada", "ada@example.com").await;
    let token = shop.token().await;
    let body = json!({"token": token, "password": PASSWORD});
    shop.ask("/accounts/email/verify", body).await;
    shop.ask("/accounts/password/reset", json!({"email": "ada@example.com"})).await;
    let token = shop.token().await;
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..50 {
        let body = json!({"token": token, "new_password": format!("copper lantern {n}")});
        asked.spawn(send_owned(&shop.app, post("/accounts/password/reset/confirm", &body)));
    }
    let answers = asked.join_all().await;
    let won = answers.iter().filter(|(status, _)| *status == StatusCode::NO_CONTENT).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_link_dies_with_what_the_app_does_to_the_row() {
    let acts: [fn(&mut Customer); 3] = [
        |row| row.password = EncodedPassword::unusable(),
        |row| row.email = "other@example.com".to_owned(),
        |row| row.closed = true,
    ];
    for (number, act) in acts.into_iter().enumerate() {
        let mut shop = Shop::open(EmailVerification::Required).await;
        shop.with_an_unproved_address().await;
        let again = json!({"email": "ada@example.com"});
        shop.ask("/accounts/email/verify/resend", again.clone()).await;
        let proof = shop.token().await;
        shop.ask("/accounts/password/reset", again).await;
        let reset = shop.token().await;
        shop.customers.change(act);
        let row = essence(&shop.customers.only());
        assert_eq!(shop.confirm_reset(&reset, NEW).await.1["code"], "link_invalid", "{number}");
        let body = json!({"token": proof, "password": PASSWORD});
        let proof = shop.ask("/accounts/email/verify", body).await;
        assert_eq!(proof.0, StatusCode::BAD_REQUEST, "{number}: {}", proof.1);
        assert_eq!(essence(&shop.customers.only()), row, "{number}: nothing was done");
    }
}

#[tokio::test]
async fn a_password_that_the_app_sets_while_a_link_is_used_stays() {
    let mut shop = Shop::open(EmailVerification::Required).await;
    shop.with_an_unproved_address().await;
    shop.ask("/accounts/password/reset", json!({"email": "ada@example.com"})).await;
    let token = shop.token().await;
    shop.customers.0.lock().unwrap().meanwhile =
        Some(|row| row.password = EncodedPassword::from_stored("!the app's".to_owned()));
    assert_eq!(shop.confirm_reset(&token, NEW).await.1["code"], "link_invalid");
    assert_eq!(shop.customers.only().password.as_str(), "!the app's");
}
