//! Another address, its undoing, and a login by a code, on a table of the app's own.

use countersign::settings::EmailVerification;
use countersign::user::fold_address;
use tokio::task::JoinSet;

use super::registers::{Customer, Shop, token_of};
use super::*;

const OLD: &str = "ada@example.com";
const NEW: &str = "ada@example.org";
const BOB: &str = "bob@example.com";

/// A shop with a customer who has proved the address and is logged in: the access token.
async fn shop_of_ada() -> (Shop, String) {
    let mut shop = Shop::open(EmailVerification::Required).await;
    shop.register("ada", OLD).await;
    let body = json!({"token": shop.token().await, "password": PASSWORD});
    assert_eq!(shop.ask("/accounts/email/verify", body).await.0, StatusCode::NO_CONTENT);
    let (status, login) = shop.log_in("ada", PASSWORD).await;
    assert_eq!(status, StatusCode::OK, "{login}");
    let access = text(&login, "access_token").to_owned();
    (shop, access)
}

impl Shop {
    async fn ask_for_change(&self, access: &str, email: &str) -> (StatusCode, Value) {
        let body = json!({"email": email, "password": PASSWORD});
        let mut request = post("/accounts/email/change", &body);
        let bearer = format!("Bearer {access}").parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        send(&self.app, request).await
    }

    /// Asks for another address: the tokens of the mail to the new one, and of that to the old one.
    async fn changing(&mut self, access: &str, email: &str) -> (String, String) {
        let (status, answer) = self.ask_for_change(access, email).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        let (mut to_new, mut to_old) = (None, None);
        while to_new.is_none() || to_old.is_none() {
            let mail = self.mail().await;
            if mail.to == email {
                to_new = Some(token_of(&mail));
            } else if mail.text.contains("/account/undo?token=") {
                to_old = Some(token_of(&mail));
            }
        }
        (to_new.unwrap(), to_old.unwrap())
    }

    async fn confirm_change(&self, token: &str) -> (StatusCode, Value) {
        let body = json!({"token": token, "password": PASSWORD});
        self.ask("/accounts/email/change/confirm", body).await
    }

    async fn undo(&self, token: &str) -> (StatusCode, Value) {
        self.ask("/accounts/undo", json!({"token": token})).await
    }

    /// Asks for a code: what a request says that has it.
    async fn code(&mut self, email: &str) -> Value {
        let asked = self.ask("/accounts/login/code", json!({"email": email})).await;
        assert_eq!(asked.0, StatusCode::ACCEPTED, "{}", asked.1);
        loop {
            let mail = self.mail().await;
            if let Some(code) = mail.text.lines().find(|line| line.starts_with("  ")) {
                return json!({"email": email, "code": code.trim(), "transport": "body"});
            }
        }
    }

    async fn log_in_with(&self, code: &Value) -> (StatusCode, Value) {
        self.ask("/accounts/login/code/confirm", code.clone()).await
    }

    /// Bob, who comes after Ada has left, in a table that gives an id again.
    async fn newcomer_with_the_same_id(&mut self) {
        assert_eq!(self.register("bob", BOB).await.0, StatusCode::ACCEPTED);
        assert_eq!(self.customers.only().id, UserId::new(1));
        let token = loop {
            let mail = self.mail().await;
            if mail.to == BOB {
                break token_of(&mail);
            }
        };
        let body = json!({"token": token, "password": PASSWORD});
        let proved = self.ask("/accounts/email/verify", body).await;
        assert_eq!(proved.0, StatusCode::NO_CONTENT, "{}", proved.1);
    }

    async fn newcomer_is_as_before(&self) {
        assert_eq!(self.address(), (BOB.to_owned(), true));
        let (status, login) = self.log_in("bob", PASSWORD).await;
        assert_eq!(status, StatusCode::OK, "{login}");
    }

    fn ada(&self) -> Customer {
        self.customers.0.lock().unwrap().rows[0].clone()
    }

    fn address(&self) -> (String, bool) {
        let row = self.ada();
        (row.email, row.is_proved)
    }
}

#[tokio::test]
async fn an_address_changes_once_it_is_confirmed_by_who_knows_the_password() {
    let (mut shop, access) = shop_of_ada().await;
    let (token, _) = shop.changing(&access, NEW).await;
    assert_eq!(shop.address(), (OLD.to_owned(), true), "nothing has changed yet");
    let bare = shop.ask("/accounts/email/change/confirm", json!({"token": token})).await;
    assert_eq!(bare.1["errors"]["password"][0], "This field is required.");
    let done = shop.confirm_change(&token).await;
    assert_eq!(done.0, StatusCode::NO_CONTENT, "{}", done.1);
    assert_eq!(shop.address(), (NEW.to_owned(), true));
    assert_eq!(shop.log_in(NEW, PASSWORD).await.0, StatusCode::OK);
    assert_eq!(shop.log_in(OLD, PASSWORD).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(shop.confirm_change(&token).await.1["code"], "link_invalid", "once");
    let profile = send(&shop.app, with_token("GET", "/accounts/profile", &access)).await.1;
    assert_eq!(profile["user"]["email"], NEW, "the session goes on, and the row is read again");
}

#[tokio::test]
async fn an_address_that_is_taken_gets_no_mail_and_the_asker_the_same_answer() {
    let (mut shop, access) = shop_of_ada().await;
    shop.register("bob", "bob@example.com").await;
    shop.mail().await;
    shop.customers.0.lock().unwrap().rows[1].email = "bob@example.com".to_owned();
    let taken = shop.ask_for_change(&access, "BOB@example.com").await;
    let free = shop.ask_for_change(&access, "nobody@example.com").await;
    assert_eq!(taken, free);
    // Both times the old address is told, and once the new one.
    let mut told = [shop.mail().await.to, shop.mail().await.to, shop.mail().await.to];
    told.sort_unstable();
    assert_eq!(told, [OLD, OLD, "nobody@example.com"]);
}

#[tokio::test]
async fn an_address_that_another_took_meanwhile_is_refused_and_the_link_works_on() {
    let (mut shop, access) = shop_of_ada().await;
    let (token, _) = shop.changing(&access, "bob@example.com").await;
    shop.register("bob", "bob@example.org").await;
    shop.customers.0.lock().unwrap().rows[1].email = "bob@example.com".to_owned();
    let taken = shop.confirm_change(&token).await;
    assert_eq!(taken.1["errors"]["email"][0], "Another user has this address.");
    shop.customers.0.lock().unwrap().rows[1].email = "robert@example.com".to_owned();
    assert_eq!(shop.confirm_change(&token).await.0, StatusCode::NO_CONTENT);
    assert_eq!(shop.address().0, "bob@example.com");
}

#[tokio::test]
async fn an_undo_brings_the_address_back_and_puts_out_whoever_changed_it() {
    let (mut shop, access) = shop_of_ada().await;
    let (token, undo) = shop.changing(&access, NEW).await;
    assert_eq!(shop.confirm_change(&token).await.0, StatusCode::NO_CONTENT);
    let done = shop.undo(&undo).await;
    assert_eq!(done.0, StatusCode::NO_CONTENT, "{}", done.1);
    assert_eq!(shop.address(), (OLD.to_owned(), true));
    assert!(!shop.ada().password.is_usable());
    let profile = send(&shop.app, with_token("GET", "/accounts/profile", &access)).await.1;
    assert_eq!(profile["code"], "session_revoked");
    assert_eq!(shop.undo(&undo).await.1["code"], "link_invalid", "once");
    shop.ask("/accounts/password/reset", json!({"email": OLD})).await;
    let token = shop.token().await;
    assert_eq!(
        shop.confirm_reset(&token, "copper lantern 27").await.0,
        StatusCode::NO_CONTENT,
        "the owner chooses a new one"
    );
}

#[tokio::test]
async fn the_owners_undo_ends_what_a_thief_asked_for_and_could_undo() {
    let (mut shop, access) = shop_of_ada().await;
    let (token, owners) = shop.changing(&access, "one@example.net").await;
    shop.confirm_change(&token).await;
    let (token, thiefs) = shop.changing(&access, "two@example.net").await;
    shop.confirm_change(&token).await;
    let (pending, _) = shop.changing(&access, "three@example.net").await;
    assert_eq!(shop.undo(&owners).await.0, StatusCode::NO_CONTENT);
    for refused in [shop.undo(&thiefs).await, shop.confirm_change(&pending).await] {
        assert_eq!(refused.1["code"], "link_invalid");
    }
    assert_eq!(shop.address().0, OLD);
}

#[tokio::test]
async fn who_put_the_former_address_into_a_row_without_a_proof_does_not_keep_it() {
    let (mut shop, access) = shop_of_ada().await;
    let (token, undo) = shop.changing(&access, NEW).await;
    shop.confirm_change(&token).await;
    shop.register("eve", "eve@example.com").await;
    shop.customers.0.lock().unwrap().rows[1].email = "ADA@example.com".to_owned();
    let row = |shop: &Shop, n: usize| shop.customers.0.lock().unwrap().rows[n].clone();
    assert_eq!(fold_address(&row(&shop, 1).email), OLD);
    let done = shop.undo(&undo).await;
    assert_eq!(done.0, StatusCode::NO_CONTENT, "{}", done.1);
    assert_eq!((shop.address().0.as_str(), row(&shop, 1).email.as_str()), (OLD, ""));
}

#[tokio::test]
async fn who_proved_the_former_address_meanwhile_keeps_it_and_the_link_works_on() {
    let (mut shop, access) = shop_of_ada().await;
    let (token, undo) = shop.changing(&access, NEW).await;
    shop.confirm_change(&token).await;
    shop.register("eve", "eve@example.com").await;
    {
        let mut table = shop.customers.0.lock().unwrap();
        (table.rows[1].email, table.rows[1].is_proved) = (OLD.to_owned(), true);
    }
    let taken = shop.undo(&undo).await;
    assert_eq!(taken.1["errors"]["email"][0], "Another user has this address.");
    assert!(shop.ada().password.is_usable(), "nothing was done");
    shop.customers.0.lock().unwrap().rows[1].email = "eve@example.com".to_owned();
    assert_eq!(shop.undo(&undo).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_link_of_who_is_deleted_does_nothing_to_who_has_the_id_next() {
    let (mut shop, access) = shop_of_ada().await;
    let (change, undo) = shop.changing(&access, NEW).await;
    let reset = shop.ask("/accounts/password/reset", json!({"email": OLD})).await;
    assert_eq!(reset.0, StatusCode::ACCEPTED);
    let reset = shop.token().await;
    let bearer = format!("Bearer {access}").parse().unwrap();
    let mut leave = post("/accounts/profile", &json!({"password": PASSWORD}));
    *leave.method_mut() = axum::http::Method::DELETE;
    leave.headers_mut().insert("authorization", bearer);
    let left = send(&shop.app, leave).await;
    assert_eq!(left.0, StatusCode::NO_CONTENT, "{}", left.1);
    shop.newcomer_with_the_same_id().await;
    let links = [shop.undo(&undo).await, shop.confirm_change(&change).await];
    for refused in links.into_iter().chain([shop.confirm_reset(&reset, PASSWORD).await]) {
        assert_eq!(refused.1["code"], "link_invalid", "{}", refused.1);
    }
    shop.newcomer_is_as_before().await;
}

#[tokio::test]
async fn who_has_the_id_of_somebody_whom_the_app_deleted_has_nothing_of_theirs() {
    let (mut shop, access) = shop_of_ada().await;
    let (_, undo) = shop.changing(&access, NEW).await;
    // By itself, without a word to Countersign.
    shop.customers.0.lock().unwrap().rows.clear();
    shop.newcomer_with_the_same_id().await;
    let refused = send(&shop.app, with_token("GET", "/accounts/profile", &access)).await;
    assert_eq!(refused.0, StatusCode::UNAUTHORIZED, "{}", refused.1);
    assert_eq!(shop.undo(&undo).await.1["code"], "link_invalid");
    shop.newcomer_is_as_before().await;
}

#[tokio::test]
async fn who_is_called_by_the_former_address_does_not_keep_it() {
    let (mut shop, access) = shop_of_ada().await;
    let (token, undo) = shop.changing(&access, NEW).await;
    shop.confirm_change(&token).await;
    shop.register("eve", "eve@example.com").await;
    shop.customers.0.lock().unwrap().rows[1].name = OLD.to_owned();
    let done = shop.undo(&undo).await;
    assert_eq!(done.0, StatusCode::NO_CONTENT, "{}", done.1);
    assert_eq!(shop.address(), (OLD.to_owned(), true));
}

#[tokio::test]
async fn a_hash_that_is_renewed_ends_no_link_that_was_mailed_before() {
    let (mut shop, _) = shop_of_ada().await;
    let of_django = "pbkdf2_sha256$1000$salt$1GeIGd+Yxk+ild+Nkp3+w1HXvJ5pytoF6LE+JC46G6o=";
    shop.customers.change(|row| row.password = EncodedPassword::from_stored(of_django.to_owned()));
    let asked = shop.ask("/accounts/password/reset", json!({"email": OLD})).await;
    assert_eq!(asked.0, StatusCode::ACCEPTED, "{}", asked.1);
    let token = shop.token().await;
    assert_eq!(shop.log_in("ada", PASSWORD).await.0, StatusCode::OK);
    assert!(shop.ada().password.as_str().starts_with("argon2$"));
    let done = shop.confirm_reset(&token, "copper lantern 27").await;
    assert_eq!(done.0, StatusCode::NO_CONTENT, "{}", done.1);
}

#[tokio::test]
async fn a_code_logs_in_once() {
    let (mut shop, _) = shop_of_ada().await;
    let code = shop.code(OLD).await;
    let wrong = json!({"email": OLD, "code": "0000 0000", "transport": "body"});
    if code["code"] != wrong["code"] {
        assert_eq!(shop.log_in_with(&wrong).await.1["code"], "link_invalid");
    }
    let (status, login) = shop.log_in_with(&code).await;
    assert_eq!(status, StatusCode::OK, "{login}");
    assert_eq!(login["user"]["name"], "ada");
    let access = text(&login, "access_token");
    let profile = send(&shop.app, with_token("GET", "/accounts/profile", access)).await;
    assert_eq!(profile.0, StatusCode::OK);
    assert_eq!(shop.log_in_with(&code).await.1["code"], "link_invalid");
    assert_eq!(shop.log_in("ada", PASSWORD).await.0, StatusCode::OK, "the password stays");
}

#[tokio::test]
async fn a_code_proves_the_address_and_ends_what_was_chosen_before_it() {
    let mut shop = Shop::open(EmailVerification::Required).await;
    shop.with_an_unproved_address().await;
    let code = shop.code(OLD).await;
    let (status, login) = shop.log_in_with(&code).await;
    assert_eq!(status, StatusCode::OK, "{login}");
    let row = shop.customers.only();
    assert!(row.is_proved && !row.password.is_usable());
    assert_eq!(shop.log_in("ada", PASSWORD).await.1["code"], "invalid_credentials");
    let profile = with_token("GET", "/accounts/profile", text(&login, "access_token"));
    assert_eq!(send(&shop.app, profile).await.0, StatusCode::OK, "who has the mailbox is in");
}

#[tokio::test]
async fn links_and_codes_die_with_what_the_app_does_to_the_row_but_for_an_undo() {
    let acts: [fn(&mut Customer); 3] = [
        |row| row.password = EncodedPassword::unusable(),
        |row| row.email = "other@example.com".to_owned(),
        |row| row.closed = true,
    ];
    for (number, act) in acts.into_iter().enumerate() {
        let (mut shop, access) = shop_of_ada().await;
        let code = shop.code(OLD).await;
        let (change, undo) = shop.changing(&access, NEW).await;
        shop.customers.change(act);
        let before = shop.address();
        for refused in [shop.confirm_change(&change).await, shop.log_in_with(&code).await] {
            assert_eq!(refused.0, StatusCode::BAD_REQUEST, "{number}: {}", refused.1);
        }
        assert_eq!(shop.address(), before, "{number}: nothing was done");
        assert_eq!(shop.undo(&undo).await.0, StatusCode::NO_CONTENT, "{number}");
        assert_eq!(shop.address(), (OLD.to_owned(), true), "{number}");
    }
}

#[tokio::test]
async fn of_fifty_at_once_one_changes_one_undoes_and_one_is_in() {
    let (mut shop, access) = shop_of_ada().await;
    let code = shop.code(OLD).await;
    assert_eq!(at_once(&shop, "/accounts/login/code/confirm", &code, StatusCode::OK).await, 1);
    let (token, undo) = shop.changing(&access, NEW).await;
    let body = json!({"token": token, "password": PASSWORD});
    let done = StatusCode::NO_CONTENT;
    assert_eq!(at_once(&shop, "/accounts/email/change/confirm", &body, done).await, 1);
    assert_eq!(at_once(&shop, "/accounts/undo", &json!({"token": undo}), done).await, 1);
    assert_eq!(shop.address(), (OLD.to_owned(), true));
}

/// Sends fifty such requests at once: how many of them were answered so.
async fn at_once(shop: &Shop, path: &str, body: &Value, with: StatusCode) -> usize {
    let mut asked = JoinSet::new();
    for _ in 0..50 {
        asked.spawn(send_owned(&shop.app, post(path, body)));
    }
    asked.join_all().await.iter().filter(|(status, _)| *status == with).count()
}
