//! The link that makes the first superuser.

use countersign_e2e::{PASSWORD, TestServer, eventually};

fn link(world: &TestServer) -> String {
    let found = || {
        world.printed().iter().find_map(|line| {
            line.split_once("/admin/first/").map(|(_, token)| format!("/admin/first/{token}"))
        })
    };
    eventually("the link is printed", || found().is_some());
    found().unwrap()
}

const FORM: [(&str, &str); 4] = [
    ("username", "root"),
    ("email", "root@example.com"),
    ("password1", PASSWORD),
    ("password2", PASSWORD),
];

#[test]
fn without_a_superuser_the_link_makes_one_once() {
    let mut world = TestServer::start();
    let link = link(&world);
    assert!(
        world.printed()[0]
            .contains(&format!("http://localhost:{}/admin/first/", world.address().port())),
        "{:?}",
        world.printed()
    );
    let mut desk = world.desk();
    desk.get(&link).says(200, "There is no superuser yet");
    for (field, value, problem) in [
        ("password2", "other", "not the same"),
        ("password1", "82736455190", "only digits"),
        ("username", "a b", "user name"),
        ("email", "x", "address"),
    ] {
        let form: Vec<_> = FORM
            .iter()
            .map(|&(name, text)| {
                (
                    name,
                    if name == field || (field == "password1" && name == "password2") {
                        value
                    } else {
                        text
                    },
                )
            })
            .collect();
        let answer = desk.post(&link, &form);
        assert_eq!(answer.status, 400);
        assert!(
            answer.text().to_lowercase().contains(problem),
            "{problem} not in {}",
            answer.text()
        );
    }
    assert_eq!(world.sql("SELECT count(*) FROM users").trim(), "0");
    let mut late = desk.clone();
    desk.post(&link, &FORM).sends_to("/admin/?said=welcome");
    desk.get("/admin/").says(200, "Signed in as <b>root</b>");
    assert_eq!(world.sql("SELECT is_active, is_staff, is_superuser FROM users").trim(), "1|1|1");
    late.post(&link, &FORM).says(404, "leads nowhere");
    world.desk().get(&link).says(404, "leads nowhere");
    // With a superuser there is no other link.
    world.stop();
    let lines = world.printed().len();
    world.wake();
    world.desk().sign_in("root").sends_to("/admin/");
    assert_eq!(world.printed().len(), lines);
}

#[test]
fn the_link_survives_users_who_are_no_superusers_and_a_restart() {
    let mut world = TestServer::start();
    let before = link(&world);
    world.user("alice");
    world.desk().get(&before).says(200, "There is no superuser yet");
    world.stop();
    world.wake();
    let mut desk = world.desk();
    desk.get(&before).says(200, "There is no superuser yet");
    let told = || world.printed().iter().filter(|line| line.contains(&before)).count();
    eventually("the same link is told again", || told() == 2);
    // A name that is taken costs nothing but another try.
    for (field, value, problem) in [
        ("username", "Alice", "Another user has this name"),
        ("email", "alice@example.com", "Another user has this address"),
    ] {
        let form = FORM.map(|(name, text)| (name, if name == field { value } else { text }));
        desk.post(&before, &form).says(400, problem);
    }
    desk.post(&before, &FORM).sends_to("/admin/?said=welcome");
    desk.get("/admin/").says(200, "Signed in as <b>root</b>");
    world.desk().get(&before).says(404, "leads nowhere");
    let made = "SELECT group_concat(username || is_superuser) FROM users";
    assert_eq!(world.sql(made).trim(), "alice0,root1");
    eventually("it is in the audit log", || {
        world.sql("SELECT detail FROM audit_events").contains("root, the first superuser")
    });
}

#[test]
fn an_inactive_superuser_keeps_the_link_closed() {
    let world = TestServer::start();
    let link = link(&world);
    world.superuser("somebody");
    world.sql("UPDATE users SET is_active = 0");
    world.desk().get(&link).says(404, "leads nowhere");
}

#[test]
fn a_used_link_stays_closed_when_everybody_is_gone_again() {
    let world = TestServer::start();
    let link = link(&world);
    let mut desk = world.desk();
    desk.get(&link).expect(200);
    let mut late = desk.clone();
    desk.post(&link, &FORM).sends_to("/admin/?said=welcome");
    world.sql("DELETE FROM users");
    late.post(&link, &FORM).says(404, "leads nowhere");
    world.desk().get(&link).says(404, "leads nowhere");
}

#[test]
fn the_link_is_closed_to_everybody_else_and_when_there_is_a_superuser() {
    let world = TestServer::start();
    let link = link(&world);
    for wrong in [
        "/admin/first/",
        "/admin/first/x",
        &format!("{link}A"),
        &format!("/admin/first/{}", "A".repeat(43)),
    ] {
        let status = world.desk().get(wrong).status;
        assert_eq!(status, 404, "{wrong}");
    }
    let mut desk = world.desk();
    desk.get(&link).expect(200);
    let csrf = std::mem::replace(&mut desk.csrf, "AAAA".to_owned());
    desk.post(&link, &FORM).says(403, "token");
    desk.csrf = csrf;
    let cross = desk.form(&link, &FORM).header("Sec-Fetch-Site", "cross-site");
    cross.send().says(403, "was not sent by a page of");
    world.superuser("somebody");
    desk.post(&link, &FORM).says(404, "leads nowhere");
    world.desk().get(&link).says(404, "leads nowhere");
    assert_eq!(world.sql("SELECT group_concat(username) FROM users").trim(), "somebody");
    assert!(
        !world.log().contains(link.trim_start_matches("/admin/first/")),
        "the link is in the log"
    );
}

#[test]
fn of_many_who_come_at_once_one_makes_the_superuser() {
    let world = TestServer::start();
    let link = link(&world);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|i| {
                let (mut desk, link) = (world.desk(), &link);
                scope.spawn(move || {
                    let page = desk.get(link);
                    if page.status != 200 {
                        return page.status;
                    }
                    let name = format!("root{i}");
                    let form: Vec<_> = FORM
                        .iter()
                        .map(|&(field, text)| {
                            (field, if field == "username" { name.as_str() } else { text })
                        })
                        .collect();
                    let form: Vec<_> =
                        form.into_iter().filter(|(field, _)| *field != "email").collect();
                    desk.post(link, &form).status
                })
            })
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert_eq!(world.sql("SELECT count(*) FROM users").trim(), "1");
}
