//! The table of docs/factors.md that says who must have a second factor, against the machine.

use countersign::sign_in::{
    FactorKind, Factors, Known, Next, Policy, Proof, Scope, SecondFactor, decide,
};
use countersign::user::{Account, UserId};
use jiff::Timestamp;

const PAGE: &str = include_str!("../../../../docs/factors.md");

/// Somebody of the staff, or of no list.
struct Somebody {
    is_staff: bool,
}

impl Account for Somebody {
    fn id(&self) -> UserId {
        UserId::new(1)
    }
    fn username(&self) -> &str {
        "somebody"
    }
    fn is_staff(&self) -> bool {
        self.is_staff
    }
}

/// What follows a right password, in the words of the page.
fn follows(second_factor: &SecondFactor, is_staff: bool, has_one: bool) -> &'static str {
    let mut policy = Policy::default();
    policy.second_factor = second_factor.clone();
    let enrolled = if has_one { Factors::of([FactorKind::Totp]) } else { Factors::default() };
    let known = Known { may_enter: true, enrolled, ..Known::default() };
    let rules = policy.of(&Somebody { is_staff });
    match decide(&known, None, Proof::Password, rules, Timestamp::UNIX_EPOCH) {
        Next::Begin(admission) if admission.scope() == Scope::Full => "logs in",
        Next::Begin(_) => "logs in, and may enrol one and do nothing else",
        Next::Ask(_) => "is asked",
        Next::Refuse(refusal) => panic!("{refusal:?}"),
    }
}

#[test]
fn the_page_says_of_each_value_what_the_machine_does() {
    let (_, rest) =
        PAGE.split_once("| value | who has none | who has one |\n|---|---|---|\n").unwrap();
    let table = rest.lines().take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> =
        table.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let [optional, required, listed] = &rows[..] else { panic!("{rows:?}") };
    for (row, word) in [(optional, "optional"), (required, "required")] {
        assert!(row[0].starts_with(&format!("`{word}`")), "{row:?}");
        let value: SecondFactor = word.parse().unwrap();
        assert_eq!(row[0].ends_with("(default)"), value == SecondFactor::default());
        for is_staff in [true, false] {
            assert_eq!(row[1], follows(&value, is_staff, false));
            assert_eq!(row[2], follows(&value, is_staff, true));
        }
    }
    let value: SecondFactor = "staff".parse().unwrap();
    let others = follows(&value, false, false).replace("logs in", "log in");
    let of_those = follows(&value, true, false).replace("logs in, and ", "");
    assert_eq!(listed[1], format!("of those: {of_those}; the others {others}"));
    for is_staff in [true, false] {
        assert_eq!(listed[2], follows(&value, is_staff, true));
    }
}
