use countersign_e2e::eventually;
use serde_json::json;

use super::*;

#[test]
fn the_figures_are_those_of_the_dashboard_and_the_state_of_the_machine_is_for_superusers() {
    let world = managed();
    world.user("alice");
    world.logged_in("alice");
    let all = super_token(&world);
    let looker = token(&world, "looker", &["countersign.view_session"]);
    let sum = |figures: &Value, what: &str| -> u64 {
        figures["counts"][what].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum()
    };
    eventually("the login is counted", || {
        sum(&get(&world, &looker, "/figures").expect(200).json(), "logins") == 1
    });
    let figures = get(&world, &looker, "/figures").expect(200);
    assert_eq!(figures.header("cache-control"), Some("no-store"));
    let figures = figures.json();
    assert_eq!((&figures["span"], &figures["step_seconds"]), (&json!("day"), &json!(3600)));
    assert_eq!(figures["steps"].as_array().unwrap().len(), 24);
    assert!(figures.get("sizes").is_none() && figures.get("complaints").is_none());
    for (what, counts) in figures["counts"].as_object().unwrap() {
        assert_eq!(counts.as_array().unwrap().len(), 24, "{what}");
    }
    for (span, steps, seconds) in [("week", 28, 6 * 3600), ("month", 30, 24 * 3600)] {
        let figures = get(&world, &looker, &format!("/figures?span={span}")).expect(200).json();
        assert_eq!(figures["steps"].as_array().unwrap().len(), steps);
        assert_eq!(figures["step_seconds"], seconds);
    }
    let figures = get(&world, &all, "/figures").expect(200).json();
    assert_eq!(figures["sizes"]["users"], json!({"exactly": 1}));
    assert!(figures["sizes"]["bytes"].as_u64().unwrap() > 0);
    assert!(figures["complaints"].is_array());

    get(&world, &looker, "/figures?span=year").expect_problem(400, "validation_error");
    get(&world, &looker, "/figures?days=3").expect_problem(400, "bad_request");
    let nobody = token(&world, "nobody", &["auth.view_user"]);
    get(&world, &nobody, "/figures").expect_problem(403, "permission_denied");
}
