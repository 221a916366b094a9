//! The words of the sign-in machine, as tokens and the stores have them; and whom its policy means.

use std::time::Duration;

use countersign::sign_in::{
    FACTOR_TRIES, FactorKind, Factors, Method, Methods, PENDING_SECONDS, Policy, Rules, Scope,
    SecondFactor,
};
use countersign::user::{Account, UserId};

#[test]
fn a_scope_is_read_from_its_word_and_no_other() {
    assert_eq!((Scope::Full.as_str(), Scope::Enrol.as_str()), ("", "enrol"));
    assert_eq!(Scope::from_word(""), Some(Scope::Full));
    assert_eq!(Scope::from_word("enrol"), Some(Scope::Enrol));
    assert_eq!(Scope::from_word("Enrol"), None);
}

#[test]
fn a_factor_is_read_from_its_word_and_no_other() {
    let words = ["totp", "passkey", "recovery_code"];
    for (kind, word) in FactorKind::ALL.into_iter().zip(words) {
        assert_eq!((kind.as_str(), &*kind.to_string()), (word, word));
        assert_eq!(FactorKind::from_word(word), Some(kind));
    }
    assert_eq!(FactorKind::from_word("TOTP"), None);
}

#[test]
fn a_set_of_factors_has_what_was_put_into_it_and_nothing_else() {
    for set in subsets(FactorKind::ALL) {
        let factors = Factors::of(set.iter().copied());
        assert_eq!(factors, set.iter().copied().fold(Factors::default(), Factors::with));
        for kind in FactorKind::ALL {
            assert_eq!(factors.has(kind), set.contains(&kind), "{kind} in {set:?}");
            assert!(factors.with(kind).with(kind).has(kind), "a second time");
        }
        assert_eq!(Factors::of(set.iter().chain(&set).copied()), factors, "a second time");
        let asked_for = set.iter().any(|kind| *kind != FactorKind::RecoveryCode);
        assert_eq!(factors.is_second(), asked_for, "{set:?}");
        let words: Vec<&str> = set.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(factors.words().collect::<Vec<_>>(), words);
    }
}

#[test]
fn a_method_is_read_from_its_word_and_no_other() {
    let words = ["pwd", "otp", "hwk", "swk", "email", "fed", "mfa"];
    for (method, word) in Method::ALL.into_iter().zip(words) {
        assert_eq!(method.as_str(), word);
        assert_eq!(Method::from_word(word), Some(method));
    }
    assert_eq!(Method::from_word("Pwd"), None);
}

#[test]
fn what_was_proved_is_kept_as_it_was_proved() {
    assert_eq!(Methods::of_nothing().to_string(), "");
    for set in subsets(Method::ALL) {
        let methods = Methods::of(set.iter().copied());
        for method in Method::ALL {
            assert_eq!(methods.has(method), set.contains(&method), "{method:?} in {set:?}");
        }
        let words: Vec<&str> = set.iter().map(|method| method.as_str()).collect();
        assert_eq!(methods.words().collect::<Vec<_>>(), words);
        assert_eq!(methods.to_string(), words.join(" "));
        assert_eq!(Methods::from_words(&methods.to_string()), methods);
        let password = Methods::of([Method::Password]);
        assert_eq!(methods.and(password), methods.with(Method::Password));
        assert_eq!(methods.and(methods), methods);
    }
}

#[test]
fn a_policy_is_read_as_it_is_written() {
    for (text, policy) in [
        ("optional", SecondFactor::Optional),
        (" required ", SecondFactor::Required),
        ("", SecondFactor::Optional),
        (" , ", SecondFactor::Optional),
        ("staff", SecondFactor::Of(vec!["staff".into()])),
        (" staff ,, night shift ", SecondFactor::Of(vec!["staff".into(), "night shift".into()])),
        ("Optional", SecondFactor::Optional),
        ("REQUIRED", SecondFactor::Required),
        ("required,", SecondFactor::Required),
        (
            "Staff, SUPERUSER, Editors",
            SecondFactor::Of(vec!["staff".into(), "superuser".into(), "Editors".into()]),
        ),
    ] {
        assert_eq!(text.parse(), Ok(policy.clone()), "{text:?}");
        assert_eq!(policy.to_string().parse(), Ok(policy), "{text:?}");
    }
    assert_eq!(SecondFactor::Required.to_string(), "required");
}

#[test]
fn a_word_that_stands_alone_is_refused_in_a_list() {
    for text in ["required, staff", "staff,Required", "optional, editors", "required, required"] {
        let error = text.parse::<SecondFactor>().unwrap_err().to_string();
        assert!(error.contains("stands alone") && error.contains("superuser"), "{text}: {error}");
    }
    // One that an app has made itself stops the start, and leaves nobody out.
    let made = SecondFactor::Of(vec!["Required".into(), "staff".into()]);
    assert!(made.check().is_err() && made.is_for(&Person::default()));
    let mut settings = countersign::Settings::default();
    settings.sign_in.second_factor = made;
    let error = settings.check().unwrap_err().to_string();
    assert!(error.starts_with("second_factor: "), "{error}");
}

#[test]
fn the_groups_of_a_policy_are_those_that_are_no_words() {
    let groups = |text: &str| {
        let policy: SecondFactor = text.parse().unwrap();
        policy.groups().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(groups("required"), Vec::<String>::new());
    assert_eq!(groups("Staff, editors, superuser, superusers"), ["editors", "superusers"]);
}

#[test]
fn a_policy_means_whom_it_names() {
    let nobody = Person::default();
    let staff = Person { staff: true, ..Person::default() };
    let boss = Person { superuser: true, ..Person::default() };
    let editor = Person { groups: vec!["editors".into()], ..Person::default() };
    // A group may have a name that means something else.
    let namesake = Person { groups: vec!["staff".into()], ..Person::default() };
    let means = |text: &str| {
        let policy: SecondFactor = text.parse().unwrap();
        [&nobody, &staff, &boss, &editor, &namesake].map(|person| policy.is_for(person))
    };
    assert_eq!(means("optional"), [false; 5]);
    assert_eq!(means("required"), [true; 5]);
    assert_eq!(means("staff"), [false, true, false, false, false]);
    assert_eq!(means("superuser"), [false, false, true, false, false]);
    assert_eq!(means("editors"), [false, false, false, true, false]);
    assert_eq!(means("editors,superuser"), [false, false, true, true, false]);
    assert_eq!(means("Required"), [true; 5]);
    assert_eq!(means("Staff"), [false, true, false, false, false]);
    assert_eq!(means("Editors"), [false; 5], "a group has its letters");
    let made = SecondFactor::Of(vec!["Staff".into()]);
    assert!(made.is_for(&staff) && !made.is_for(&namesake), "by an app too");
}

#[test]
fn whoever_may_do_much_is_asked_on_every_device() {
    let mut policy = Policy::default();
    policy.second_factor = SecondFactor::Required;
    assert_eq!(policy.remember_device, Duration::from_secs(2_592_000));
    let rules = |may_remember| Rules { is_required: true, may_remember };
    let of = |staff, superuser| Person { staff, superuser, ..Person::default() };
    assert_eq!(policy.of(&of(false, false)), rules(true));
    assert_eq!(policy.of(&of(true, false)), rules(false));
    assert_eq!(policy.of(&of(false, true)), rules(false));
    let mut never = policy;
    never.remember_device = Duration::ZERO;
    assert_eq!(never.of(&of(false, false)), rules(false));
    assert!(!Policy::default().of(&of(true, true)).is_required);
}

#[test]
fn a_sign_in_waits_for_five_minutes_and_five_tries() {
    assert_eq!((PENDING_SECONDS, FACTOR_TRIES), (300, 5));
}

/// Every subset, its members in order.
fn subsets<T: Copy, const N: usize>(all: [T; N]) -> impl Iterator<Item = Vec<T>> {
    (0..1_u32 << N).map(move |bits| {
        let members = all.into_iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
        members.map(|(_, member)| member).collect()
    })
}

/// A user, as far as a policy asks.
#[derive(Default)]
struct Person {
    staff: bool,
    superuser: bool,
    groups: Vec<String>,
}

impl Account for Person {
    fn id(&self) -> UserId {
        UserId::from(1)
    }

    fn username(&self) -> &str {
        "person"
    }

    fn is_staff(&self) -> bool {
        self.staff
    }

    fn is_superuser(&self) -> bool {
        self.superuser
    }

    fn groups(&self) -> &[String] {
        &self.groups
    }
}
