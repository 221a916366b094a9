use countersign::PasswordRefused;
use countersign::http::Peer;

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
