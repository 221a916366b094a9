use countersign_e2e::{Mailbox, TestServer};
use serde_json::Value;

#[test]
fn the_queue_is_listed_for_scripts_and_says_when_there_is_more() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).asleep();
    world.cli(&["migrate"]).ok();
    let queue = |arguments: &[&str]| {
        let done = world.cli(&[&["mail", "queue", "--json"], arguments].concat());
        let mails: Vec<Value> = serde_json::from_str(&done.ok()).unwrap();
        (mails, done.stderr())
    };
    assert_eq!(queue(&[]), (Vec::new(), String::new()));
    for name in ["alice", "bob", "carol"] {
        world.cli(&["user", "invite", &format!("{name}@example.com")]).ok();
    }
    let (mails, said) = queue(&["--limit", "3"]);
    assert_eq!((mails.len(), said.as_str()), (3, ""));
    assert_eq!((&mails[0]["state"], &mails[0]["tries"]), (&"waiting".into(), &0.into()));
    assert!(mails[0]["created_at"].is_string() && mails[0]["last_error"] == "", "{}", mails[0]);
    let (mails, said) = queue(&["--limit", "2"]);
    let addresses: Vec<_> = mails.iter().map(|mail| mail["address"].as_str().unwrap()).collect();
    assert_eq!(addresses, ["carol@example.com", "bob@example.com"]);
    assert!(said.contains("There are more than 2 waiting"), "{said}");
    assert!(world.cli(&["mail", "queue"]).ok().contains("alice@example.com"));
}
