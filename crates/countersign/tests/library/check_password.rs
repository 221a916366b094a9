//! Pages of an app's own that are behind the same passwords.

use countersign::PasswordRefused;
use countersign::http::Peer;
use countersign::session::Transport;
use countersign::settings::EmailVerification;
use countersign::user::{NewUser, Username};

use super::registers::Shop;
use super::*;

#[tokio::test]
async fn strangers_keep_nobody_out_of_a_page_of_the_apps_own_that_knows_the_browser() {
    let (builder, _directory, _) = builder();
    let members = Members::with(cheap(), &["41"]).await;
    let auth = builder.users(members.clone()).build().await.unwrap();
    let ada: UserId = "41".parse().unwrap();
    let set_cookie = auth.remember_device(ada, &Peer::local(), "/office").await.unwrap();
    let line = set_cookie.to_str().unwrap();
    assert!(line.contains("; Path=/office; ") && line.contains("; HttpOnly"), "{line}");
    let token = line.split(['=', ';']).nth(1).unwrap().to_owned();
    let mut known = Peer::local();
    known.device_tokens = vec!["of somebody else".to_owned(), token];

    let [right, wrong] =
        [PASSWORD, "a guess"].map(|text| Password::parse(text.to_owned()).unwrap());
    let enter = async |client: &Peer, password: &Password| {
        auth.check_password("nick-41", password, client, |_| true).await.map(drop)
    };
    for _ in 0..5 {
        assert!(matches!(enter(&Peer::local(), &wrong).await, Err(PasswordRefused::Wrong { .. })));
    }
    assert!(matches!(enter(&Peer::local(), &right).await, Err(PasswordRefused::Throttled { .. })));
    enter(&known, &right).await.unwrap();

    // With another password the browser is a stranger's.
    let passwords = countersign::password::Passwords::new(cheap()).unwrap();
    let new = passwords.hash(&right).await.unwrap();
    members.0.lock().unwrap().rows.get_mut(&ada).unwrap().1 = new;
    assert!(matches!(enter(&known, &right).await, Err(PasswordRefused::Throttled { .. })));
}

/// What an operator, or the user elsewhere, does while a form is under way.
const ACTS: [&str; 3] = ["password", "deactivation", "deletion"];

#[tokio::test]
async fn a_form_that_is_under_way_does_not_outlive_what_ends_the_sessions() {
    for act in ACTS {
        let (builder, _directory, clock) = builder();
        let auth = builder.build().await.unwrap();
        let now = countersign::clock::Clock::now(&*clock);
        let password = Password::parse(PASSWORD.to_owned()).unwrap();
        let encoded = auth.passwords().hash(&password).await.unwrap();
        let ada = NewUser::new(Username::parse("ada").unwrap(), None, encoded);
        let ada = auth.store().create_user(ada, now).await.unwrap().id;
        let check =
            async || auth.check_password("ada", &password, &Peer::local(), |_| true).await.unwrap();
        let enter = async |checked: countersign::PasswordChecked| {
            auth.log_in_checked(checked, Transport::Cookie, &Peer::local()).await
        };

        enter(check().await).await.unwrap();
        let checked = check().await;
        let store = auth.store();
        let is_done = match act {
            "password" => {
                let new = Password::parse("copper lantern 27".to_owned()).unwrap();
                let new = auth.passwords().hash(&new).await.unwrap();
                store.reset_password(ada, &new, now).await
            }
            "deactivation" => store.set_active(ada, false, now).await,
            _ => store.delete_user(ada, now).await,
        };
        assert!(is_done.unwrap(), "{act}");
        auth.catch_up().await.unwrap();
        let refused = enter(checked).await.unwrap_err();
        assert_eq!(refused.code().as_str(), "invalid_credentials", "{act}");
        let live = store.user_sessions(ada, now).await.unwrap();
        assert!(live.is_empty(), "{act}: {live:?}");
    }
}

#[tokio::test]
async fn nor_does_one_whose_user_is_in_a_table_of_the_apps_own() {
    let acts: [fn(&mut (Member, EncodedPassword)); 2] = [
        |(_, password)| *password = EncodedPassword::unusable(),
        |(member, _)| member.closed = true,
    ];
    for (act, is_late) in acts.into_iter().zip([false, true]).chain([(acts[0], true)]) {
        let (builder, _directory, clock) = builder();
        let members = Members::with(cheap(), &["41"]).await;
        let auth = builder.users(members.clone()).build().await.unwrap();
        let password = Password::parse(PASSWORD.to_owned()).unwrap();
        let client = Peer::local();
        let checked = auth.check_password("nick-41", &password, &client, |_| true).await.unwrap();
        // Before the login, or in the middle of it.
        members.0.lock().unwrap().meanwhile = Some(act);
        if !is_late {
            members.0.lock().unwrap().happens();
        }
        let refused = auth.log_in_checked(checked, Transport::Cookie, &client).await.unwrap_err();
        assert_eq!(refused.code().as_str(), "invalid_credentials");
        let now = countersign::clock::Clock::now(&*clock);
        assert!(auth.store().user_sessions(UserId::new(41), now).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_form_lets_nobody_in_who_has_an_address_to_prove_first() {
    let mut shop = Shop::open(EmailVerification::Required).await;
    shop.with_an_unproved_address().await;
    let (password, client) = (Password::parse(PASSWORD.to_owned()).unwrap(), Peer::local());
    let checked = shop.auth.check_password("ada", &password, &client, |_| true).await.unwrap();
    let refused = shop.auth.log_in_checked(checked, Transport::Cookie, &client).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "email_not_verified");
}

#[tokio::test]
async fn a_form_of_another_site_logs_nobody_in() {
    let (builder, _directory, _) = builder();
    let members = Members::with(cheap(), &["41"]).await;
    let auth = builder.users(members).build().await.unwrap();
    let password = Password::parse(PASSWORD.to_owned()).unwrap();
    let mut client = Peer::local();
    client.is_cross_site = true;
    let checked = auth.check_password("nick-41", &password, &client, |_| true).await.unwrap();
    let refused = auth.log_in_checked(checked, Transport::Cookie, &client).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "csrf_failed");
}
