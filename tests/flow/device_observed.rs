//! What an operator sees of sessions that are bound to a device, before anything is refused and
//! after.

use countersign_e2e::{Request, TestServer, claims_of, eventually};
use serde_json::{Value, json};

use super::device::{TICKET, bound_on, https, sid};

#[test]
fn what_is_observed_is_refreshed_and_counted() {
    // A free port, found and given back; nobody else on this machine asks for it in between.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_world, browser, ..) = bound_on(https("observe").set("metrics_listen", &free.to_string()));
    let mut bare = browser.clone();
    bare.cookies.remove(TICKET);
    bare.refresh().expect(200);
    let metrics = Request::new(free, "GET", "/metrics").send().expect(200).text();
    let counted = r#"countersign_device_unproved_total{reason="missing",refused="no"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    assert!(metrics.contains("countersign_devices_bound_total 1"), "{metrics}");
}

#[test]
fn what_is_bound_and_what_would_be_refused_is_said_wherever_an_operator_looks() {
    let (world, browser, _, session) =
        bound_on(https("observe").set("extra_claims", "dvb").set("admin", "on"));
    assert_eq!(claims_of(&browser.access_token)["dvb"], json!(true));
    let mut bare = browser.clone();
    bare.cookies.remove(TICKET);
    for _ in 0..3 {
        bare.refresh().expect(200);
        assert_eq!(claims_of(&bare.access_token)["dvb"], json!(false), "nobody has proved it");
    }
    let mut native = world.native();
    native.login("alice").expect(200);
    assert_eq!(claims_of(&native.access_token)["dvb"], json!(false));
    let listed = browser.get("/accounts/sessions").expect(200).json();
    let bound = |of: &str| {
        let sessions = listed["sessions"].as_array().unwrap();
        sessions.iter().find(|one| one["id"] == of).unwrap()["device_bound"].clone()
    };
    assert_eq!((bound(&session), bound(&sid(&native.access_token))), (json!(true), json!(false)));

    let listed: Value =
        serde_json::from_str(&world.cli(&["session", "list", "--json"]).ok()).unwrap();
    let of = |id: &str| {
        listed.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap()["device_bound"]
            .clone()
    };
    assert_eq!((of(&session), of(&sid(&native.access_token))), (json!(true), json!(false)));
    let table = world.cli(&["session", "list"]).ok();
    assert!(table.lines().any(|line| line.contains(&session) && line.contains(" yes ")), "{table}");

    world.superuser("root");
    let mut desk = world.desk();
    desk.sign_in("root").expect(303);
    eventually("the counts are written", || {
        let page = desk.get("/admin/").expect(200).text();
        page.contains("Sessions bound to a device <span>1</span>")
            || page.contains("Sessions bound to a device</a> <span>1</span>")
    });
    let page = desk.get("/admin/").expect(200).text();
    assert!(page.contains("Refreshes that enforce would refuse</a> <span>3</span>"), "{page}");
    let page = desk.get("/admin/sessions/").expect(200).text();
    assert_eq!(page.matches(", bound to it").count(), 1, "{page}");
    let page = desk.get(&format!("/admin/sessions/{session}/")).expect(200).text();
    assert!(page.contains("<dt>Bound to the device</dt><dd>since "), "{page}");
    let report = world.cli(&["check"]).stdout();
    let said = "device_binding is observe: within 7 days 1 sessions were bound, and enforce would \
        have refused 3 refreshes";
    assert!(report.contains(said), "{report}");
}

#[test]
fn check_says_what_the_setting_does() {
    for (builder, said) in [
        (TestServer::builder(), "browsers bind no session to their device, because public_url is"),
        (https("off"), "device_binding is off"),
        (https("observe"), "enforce would have refused no refresh of a browser"),
        (https("enforce"), "0 sessions were bound, and 0 refreshes refused"),
    ] {
        let report = builder.start().cli(&["check"]).stdout();
        assert!(report.contains(said), "{report}");
    }
}
