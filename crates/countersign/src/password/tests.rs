//! The promises of the room, kept against what the real Django writes
//! (`tests/data/django_passwords.py` makes the data).

use std::future::Future;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

#[tokio::test]
async fn every_line_that_django_writes_is_verified() {
    let data = django();
    let hashes = data["hashes"].as_array().unwrap();
    assert!(hashes.len() > 80);
    for case in hashes {
        // One each: a costly row would make every later wrong password as costly.
        let passwords = cheap();
        let stored = EncodedPassword::from_stored(text(case, "encoded").to_owned());
        let right =
            passwords.verify(Some(&stored), &password(text(case, "password"))).await.unwrap();
        assert!(right.matches && right.outdated, "{case}");
        let wrong = passwords.verify(Some(&stored), &password("not that one")).await.unwrap();
        assert_eq!(wrong, Verdict { matches: false, outdated: false }, "{case}");
    }
}

#[tokio::test]
async fn every_line_that_the_crates_of_rust_write_is_verified_and_made_anew() {
    for line in [
        // The crate itself, which an app has that logs its users in by argon2.
        password_auth::generate_hash("tin kettle 14"),
        bcrypt_of("tin kettle 14", ::bcrypt::Version::TwoB),
        // PHP's name of the same.
        bcrypt_of("tin kettle 14", ::bcrypt::Version::TwoY),
        // By Python's hashlib, in the crates' spelling.
        concat!(
            "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$",
            "niLL1zUJzbZYcqkUDuiNpydfJUWkXEyK/pdxpppVvmY"
        )
        .to_owned(),
        concat!(
            "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$0NE7+",
            "dEVv9ZxSn2DMZy47asm/pDWaqH6/v93t00F1ko"
        )
        .to_owned(),
    ] {
        let passwords = cheap();
        let stored = EncodedPassword::from_stored(line.clone());
        let right = passwords.verify(Some(&stored), &password("tin kettle 14")).await.unwrap();
        assert_eq!(right, Verdict { matches: true, outdated: true }, "{line}");
        let wrong = passwords.verify(Some(&stored), &password("tin kettle 15")).await.unwrap();
        assert!(!wrong.matches, "{line}");
        assert_eq!(stored.as_str(), line, "the text is kept, for whoever compares and sets");
        let prefix = live_kind(&line).unwrap();
        assert!(line.starts_with(&prefix), "{prefix}");
        assert_eq!(Kind::parse(&prefix).unwrap(), ParsedHash::parse(&line).unwrap().kind, "{line}");
    }
}

#[tokio::test]
async fn a_phc_string_of_todays_cost_is_made_anew_for_its_spelling_alone() {
    let passwords = cheap();
    let given = password("tin kettle 14");
    let django = passwords.hash(&given).await.unwrap();
    let phc = django.as_str().strip_prefix("argon2").unwrap();
    let stored = EncodedPassword::from_stored(phc.to_owned());
    let verdict = passwords.verify(Some(&stored), &given).await.unwrap();
    assert_eq!(verdict, Verdict { matches: true, outdated: true });
}

#[tokio::test]
async fn a_line_with_one_letter_changed_does_not_match() {
    let passwords = cheap();
    for case in
        django()["hashes"].as_array().unwrap().iter().filter(|case| text(case, "cost") == "cheap")
    {
        let line = text(case, "encoded");
        // In the middle of the hash, where no padding bits are.
        let at = line.len() - 10;
        let other = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
        let stored =
            EncodedPassword::from_stored(format!("{}{other}{}", &line[..at], &line[at + 1..]));
        assert!(
            !passwords
                .verify(Some(&stored), &password(text(case, "password")))
                .await
                .unwrap()
                .matches,
            "{case}"
        );
    }
}

#[test]
fn new_passwords_are_judged_as_django_judges_them() {
    let data = django();
    let cases = data["validation"].as_array().unwrap();
    assert!(cases.len() > 400);
    for case in cases {
        let about = UserAttributes {
            username: text(case, "username"),
            first_name: text(case, "first_name"),
            last_name: text(case, "last_name"),
            email: text(case, "email"),
        };
        let found: Vec<&str> = match validate(text(case, "password"), &about) {
            Ok(()) => Vec::new(),
            Err(problems) => problems.iter().map(PasswordProblem::code).collect(),
        };
        let expected: Vec<&str> =
            case["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn a_problem_says_what_to_do_and_does_not_repeat_the_password() {
    let about = UserAttributes { last_name: "Quetzalcoatl", ..UserAttributes::default() };
    for (new, code) in [
        ("quetzalcoatl", "password_too_similar"),
        ("q7", "password_too_short"),
        ("sunshine", "password_too_common"),
    ] {
        let problems = validate(new, &about).unwrap_err();
        assert_eq!(problems[0].code(), code);
        let sentence = problems[0].to_string();
        assert!(sentence.contains(": ") && !sentence.contains(new), "{sentence}");
    }
}

#[test]
fn a_password_is_judged_in_the_form_in_which_it_is_hashed() {
    // Eight code points as typed, four in NFC.
    let problems =
        validate("e\u{301}e\u{301}e\u{301}e\u{301}", &UserAttributes::default()).unwrap_err();
    assert_eq!(problems, [PasswordProblem::TooShort]);
}

#[tokio::test]
async fn either_form_of_an_accent_logs_in_to_a_new_hash() {
    let passwords = cheap();
    let (composed, decomposed) =
        (password("cre\u{300}me bru\u{302}le\u{301}e"), password("cr\u{e8}me br\u{fb}l\u{e9}e"));
    for new in [&composed, &decomposed] {
        let stored = passwords.hash(new).await.unwrap();
        for given in [&composed, &decomposed] {
            assert_eq!(
                passwords.verify(Some(&stored), given).await.unwrap(),
                Verdict { matches: true, outdated: false }
            );
        }
    }
}

#[tokio::test]
async fn two_hashes_of_one_password_differ() {
    let passwords = cheap();
    let new = password("tin kettle 14");
    assert_ne!(
        passwords.hash(&new).await.unwrap().as_str(),
        passwords.hash(&new).await.unwrap().as_str()
    );
}

#[tokio::test]
async fn a_hash_made_with_other_parameters_is_outdated() {
    let (weak, strong) = (cheap(), Passwords::new(HashSettings { passes: 2, ..CHEAP }).unwrap());
    let given = password("tin kettle 14");
    let stored = weak.hash(&given).await.unwrap();
    assert_eq!(
        weak.verify(Some(&stored), &given).await.unwrap(),
        Verdict { matches: true, outdated: false }
    );
    assert_eq!(
        strong.verify(Some(&stored), &given).await.unwrap(),
        Verdict { matches: true, outdated: true }
    );
}

#[tokio::test]
async fn nobody_and_nonsense_are_wrong_passwords() {
    let passwords = cheap();
    let given = password("");
    assert!(!passwords.verify(None, &given).await.unwrap().matches);
    let hostile = format!(
        "argon2$argon2id$v=19$m=4294967295,t=4294967295,p=1$c2FsdHNhbHQ${}",
        "A".repeat(43)
    );
    for line in [
        "",
        "!",
        "plain text",
        "argon2$",
        "md5$a$b",
        EncodedPassword::unusable().as_str(),
        &hostile,
    ] {
        let stored = EncodedPassword::from_stored(line.to_owned());
        assert!(!passwords.verify(Some(&stored), &given).await.unwrap().matches, "{line}");
    }
}

#[tokio::test]
async fn kinds_that_nobody_can_use_are_not_hashed_with() {
    let passwords = cheap();
    let hostile = [
        "argon2$argon2id$v=19$m=4294967295,t=9,p=1",
        "pbkdf2_sha256$4294967295",
        "bcrypt$$2b$31",
        "scrypt$1073741824",
        "md5",
        "",
        "!",
    ];
    passwords.note_kinds(&hostile.map(str::to_owned));
    assert_eq!(passwords.costs.plan(None).rest, Rest::MakeUp(Kind::Argon2(CHEAP.kind().unwrap())));
}

#[tokio::test]
async fn a_kind_that_is_noted_is_paid_for_by_nobody() {
    let passwords = cheap();
    passwords.note_kinds(&[
        "pbkdf2_sha1$1000".to_owned(),
        "bcrypt$$2b$04$saltsalt".to_owned(),
        "scrypt$16".to_owned(),
    ]);
    assert!(matches!(passwords.costs.plan(None).rest, Rest::WorkUntil(_)));
    assert!(!passwords.verify(None, &password("x")).await.unwrap().matches);
    // What a hash of each takes here is found out by itself.
    while !passwords.costs.unmeasured().is_empty() {
        tokio::task::yield_now().await;
    }
}

/// Every no costs the same, and no more than 1.2 times the costliest hash that is live: by the
/// model, in which work takes as long as it did where the model was made.
#[test]
fn every_no_costs_as_much_as_the_costliest_kind_and_no_more() {
    let [own, pbkdf2, sha1, bcrypt, scrypt, wide] = [
        "argon2$argon2id$v=19$m=32,t=1,p=1",
        "pbkdf2_sha256$9000",
        "pbkdf2_sha1$2000",
        "bcrypt$$2b$04",
        "scrypt$64",
        "argon2$argon2id$v=19$m=64,t=3,p=1",
    ];
    let forms = [SecretString::from("a guess")];
    for live in [
        &[own][..],
        &[own, pbkdf2],
        &[own, bcrypt, scrypt],
        &[own, pbkdf2, sha1, bcrypt, scrypt, wide, "bcrypt_sha256$$2b$05"],
    ] {
        let preferred = Kind::parse(own).unwrap();
        let costs = Costs::new(preferred);
        let kinds: Vec<Kind> = live.iter().map(|prefix| Kind::parse(prefix).unwrap()).collect();
        costs.set_live(kinds.iter().copied());
        let costliest = kinds.iter().map(Kind::modelled_nanos).fold(0.0, f64::max);
        let cheaper = Kind::parse("pbkdf2_sha256$500").unwrap();
        let rows = kinds
            .iter()
            .chain((live.len() > 1).then_some(&cheaper))
            .map(|kind| Some(ParsedHash::decoy(*kind)));
        // The second time, every kind has been measured.
        let rows: Vec<Option<ParsedHash>> = rows.chain([None]).collect();
        for row in rows.iter().chain(&rows) {
            let mut scratch = Scratch::modelled();
            let verdict = check(row.as_ref(), &forms, preferred, &costs, &mut scratch);
            assert!(!verdict.matches);
            let cost = scratch.spent().as_nanos() as f64;
            let expected = if live.len() == 1 { costliest } else { costliest * 1.1 };
            assert!(
                (cost - expected).abs() < 25_000.0,
                "{:?} of {live:?}: {cost} ns for {expected}",
                row.as_ref().map(|row| row.kind)
            );
            assert!(cost <= 1.2 * costliest, "{live:?}: {cost} ns for {costliest}");
        }
    }
}

#[test]
fn only_a_line_that_a_password_can_match_counts_as_live() {
    for case in django()["hashes"].as_array().unwrap() {
        let (line, kind) = (text(case, "encoded"), live_kind(text(case, "encoded")).unwrap());
        assert_eq!(Kind::parse(&kind).unwrap(), ParsedHash::parse(line).unwrap().kind, "{line}");
        let secret = line.rsplit('$').next().unwrap();
        assert!(!kind.contains(secret), "{kind}");
    }
    for line in [
        "",
        "!",
        "!unusable",
        "nonsense",
        "pbkdf2_sha256$1000000$salt$hash",
        "bcrypt$$2b$12$short",
        "scrypt$16384$salt$8$5$hash",
        "md5$salt$hash",
    ] {
        assert_eq!(live_kind(line), None, "{line}");
    }
}

#[tokio::test]
async fn nothing_secret_is_in_the_debug_text() {
    let passwords = cheap();
    let given = password("tin kettle 14");
    let stored = passwords.hash(&given).await.unwrap();
    let printed = format!("{passwords:?} {stored:?} {given:?}");
    assert!(!printed.contains("kettle") && !printed.contains(&stored.as_str()[40..]), "{printed}");
}

#[test]
fn settings_out_of_bounds_do_not_start() {
    assert!(matches!(
        Passwords::new(HashSettings { threads: 0, ..CHEAP }),
        Err(HashSettingsError::Threads(0))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_password_matches_its_own_hash_and_no_other_text(
        text in "\\PC{0,80}",
        other in "\\PC{0,80}",
    ) {
        let passwords = cheap();
        let (given, other) = (password(&text), password(&other));
        let (own, foreign) = block_on(async {
            let stored = passwords.hash(&given).await.unwrap();
            let own = passwords.verify(Some(&stored), &given).await.unwrap();
            (own, passwords.verify(Some(&stored), &other).await.unwrap())
        });
        prop_assert_eq!(own, Verdict { matches: true, outdated: false });
        let same = given.composed().expose_secret() == other.composed().expose_secret();
        prop_assert_eq!(foreign.matches, same);
    }

    #[test]
    fn no_stored_line_makes_a_check_fail_with_an_error(line in "\\PC{0,200}") {
        let passwords = cheap();
        let stored = EncodedPassword::from_stored(line);
        let verdict = block_on(passwords.verify(Some(&stored), &password("x")));
        prop_assert_eq!(verdict, Ok(Verdict { matches: false, outdated: false }));
    }

    #[test]
    fn no_text_makes_the_validators_panic(
        new in "\\PC{0,300}",
        username in "\\PC{0,150}",
        email in ".{0,254}",
    ) {
        let (username, email) = (username.as_str(), email.as_str());
        let about = UserAttributes { username, email, ..UserAttributes::default() };
        let _ = validate(&new, &about);
    }
}

fn cheap() -> Passwords {
    Passwords::new(CHEAP).unwrap()
}

fn password(text: &str) -> Password {
    Password::parse(text.to_owned()).unwrap()
}

fn text<'v>(case: &'v Value, field: &str) -> &'v str {
    case[field].as_str().unwrap()
}

fn django() -> Value {
    serde_json::from_str(include_str!("../../tests/data/django_passwords.json")).unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

const CHEAP: HashSettings =
    HashSettings { threads: 1, queue: 64, memory_kib: 32, passes: 1, lanes: 1 };

fn bcrypt_of(text: &str, version: ::bcrypt::Version) -> String {
    let salt = *b"a salt for tests";
    ::bcrypt::hash_with_salt(text, 4, salt).unwrap().format_for_version(version)
}
