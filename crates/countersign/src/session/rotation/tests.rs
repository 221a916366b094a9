//! The rules one by one.

use super::*;

#[test]
fn an_answer_lost_for_a_year_does_not_log_out() {
    let state = RotationState::new(jti(0), 0);
    assert_eq!(
        decide(&state, &token(0, 0, None, 0), 31_536_000, WINDOW),
        state.mint(Rule::Repeated, None)
    );
}

#[test]
fn a_child_takes_over_begins_a_bucket_and_gives_credit_back_up_to_the_full() {
    let state = RotationState { race_credit: 24, ..RotationState::new(jti(0), 100) };
    let next = RotationState {
        generation: Generation(1),
        current_jti: jti(1),
        current_iat: 200,
        current_since: 900,
        race_credit: 25,
        mark: mark(0, 900),
        earlier_mark: mark(0, 100),
        ..state
    };
    assert_eq!(
        decide(&state, &token(1, 1, Some(0), 200), 900, WINDOW),
        next.mint_and_keep(Rule::Successor, None)
    );
    let later = after(&next, &token(2, 2, Some(1), 900), 1_200);
    assert_eq!(
        (later.race_credit, later.mark, later.earlier_mark),
        (RACE_CREDIT, mark(1, 1_200), mark(0, 900))
    );
    assert_eq!(later.child(), Child { parent: jti(2), generation: Generation(3) });
}

#[test]
fn a_bucket_lasts_for_half_a_window_and_gives_one_credit_however_much_happens_in_it() {
    let begun = RotationState { race_credit: 10, ..at_second_generation() };
    let busy = (3..=18).fold(begun, |state, number| {
        after(&state, &token(number, number.into(), Some(number - 1), 600), 597 + u64::from(number))
    });
    assert_eq!((busy.generation, busy.current_since), (Generation(18), 615));
    assert_eq!(
        (busy.race_credit, busy.mark, busy.earlier_mark),
        (10, begun.mark, begun.earlier_mark)
    );
    let next = after(&busy, &token(19, 19, Some(18), 615), 616);
    assert_eq!((next.race_credit, next.mark, next.earlier_mark), (11, mark(18, 616), begun.mark));
}

#[test]
fn half_of_an_odd_window_is_not_rounded() {
    for (window, at, begins) in [(31, 615, false), (31, 616, true), (1, 600, false), (1, 601, true)]
    {
        let decision = decide(
            &at_second_generation(),
            &token(3, 3, Some(2), 600),
            at,
            Duration::from_secs(window),
        );
        assert!(
            matches!(
                decision,
                Decision::Mint { state: Some(state), .. }
                    if (state.mark.generation == Generation(2)) == begins
            ),
            "{window} {at}"
        );
    }
}

#[test]
fn a_token_from_the_rows_own_future_is_believed_and_reported() {
    let state = RotationState::new(jti(0), 0);
    let decision = decide(&state, &token(9, 7, Some(8), 50_000), 60_000, WINDOW);
    assert!(matches!(
        decision,
        Decision::Mint {
            rule: Rule::AheadOfState,
            state: Some(state),
            event: Some(RotationEvent::Rollback),
            ..
        } if state.current_jti == jti(9) && state.generation == Generation(7)
    ));
}

#[test]
fn a_race_is_paid_once_a_generation_and_joins_the_current_line() {
    let state = RotationState { race_credit: 5, ..at_second_generation() };
    let sibling = token(22, 2, Some(1), 300);
    let charged = RotationState { race_credit: 0, race_charged: Some(Generation(2)), ..state };
    let race = |price, is_repeated| Some(RotationEvent::Race { price, is_repeated, credit: 0 });
    assert_eq!(
        decide(&state, &sibling, 620, WINDOW),
        charged.mint_and_keep(Rule::Race, race(5, true))
    );
    assert_eq!(decide(&charged, &sibling, 625, WINDOW), charged.mint(Rule::Race, race(0, false)));
    assert_eq!(
        decide(&charged, &sibling, 9_000, WINDOW),
        charged.mint(Rule::Restart, race(0, false)),
        "whatever it was paid for"
    );
    assert_eq!(
        decide(&RotationState { race_credit: 4, ..state }, &sibling, 620, WINDOW),
        Decision::Reused
    );
    let dear = RotationState { race_credit: 12, ..state };
    assert_eq!(
        decide(&dear, &sibling, 9_000, WINDOW),
        charged.mint_and_keep(Rule::Restart, race(12, true))
    );
    assert_eq!(
        decide(&RotationState { race_credit: 11, ..state }, &sibling, 9_000, WINDOW),
        Decision::Reused
    );
}

#[test]
fn the_second_race_is_a_repeated_one_until_the_first_is_earned_back() {
    let state = at_second_generation();
    let event =
        |state: &RotationState| match decide(state, &token(22, 2, Some(1), 300), 620, WINDOW) {
            Decision::Mint { event: Some(RotationEvent::Race { is_repeated, .. }), .. } => {
                is_repeated
            }
            other => panic!("{other:?}"),
        };
    assert!(!event(&state));
    assert!(event(&RotationState { race_credit: RACE_CREDIT - 1, ..state }));
}

#[test]
fn a_request_may_be_as_late_as_the_window_after_the_first_step_past_its_token() {
    let state =
        RotationState { mark: mark(1, 600), earlier_mark: mark(0, 580), ..at_second_generation() };
    let rule = |number, generation, now| rule(&state, &token(number, generation, None, 0), now);
    assert_eq!(rule(22, 2, 630), Some(Rule::Race));
    assert_eq!(rule(1, 1, 630), Some(Rule::Race));
    assert_eq!(rule(1, 1, 631), Some(Rule::Restart));
    assert_eq!(rule(9, 0, 610), Some(Rule::Race), "moved past in the bucket before");
    assert_eq!(rule(9, 0, 611), Some(Rule::Restart));
}

#[test]
fn an_answer_may_be_as_late_as_the_window_however_long_it_lies_in_the_jar() {
    let state =
        RotationState { mark: mark(2, 500), earlier_mark: mark(2, 400), ..at_second_generation() };
    let rule = |issued_at| rule(&state, &token(22, 1, Some(0), issued_at), 1_000_000);
    assert_eq!(rule(570), Some(Rule::Race));
    assert_eq!(rule(569), None);
    assert_eq!(rule(700), Some(Rule::Race), "a clock that went back");
}

#[test]
fn a_browser_that_died_is_forgiven_when_all_that_moved_past_it_did_so_within_the_window() {
    let state = |earlier| RotationState {
        mark: mark(1, 600),
        earlier_mark: mark(0, earlier),
        ..at_second_generation()
    };
    let rule =
        |earlier, generation| rule(&state(earlier), &token(9, generation, None, 0), 1_000_000);
    assert_eq!(rule(570, 0), Some(Rule::Restart));
    assert_eq!(rule(569, 0), None);
    assert_eq!(rule(569, 1), Some(Rule::Restart));
}

#[test]
fn who_makes_the_generations_does_not_make_the_users_token_look_fresh() {
    let stolen = at_second_generation();
    let users_token = token(33, 3, Some(2), 600);
    let thiefs = (3..=17).fold(stolen, |state, number| {
        after(
            &state,
            &token(number, number.into(), Some(number - 1), 600),
            300 + 20 * u64::from(number) + 300,
        )
    });
    assert_eq!(thiefs.race_credit, RACE_CREDIT);
    assert_eq!(thiefs.current_since, 940);
    assert_eq!(decide(&thiefs, &users_token, 941, WINDOW), Decision::Reused);
}

#[test]
fn a_clock_that_goes_back_logs_nobody_out_and_its_marks_do_not_stay() {
    let state = at_second_generation();
    assert_eq!(rule(&state, &token(1, 1, Some(0), 100), 0), Some(Rule::Race));
    assert_eq!(rule(&state, &token(3, 3, Some(2), 0), 0), Some(Rule::Successor));
    let future = RotationState { race_credit: 7, mark: mark(1, 1_000_000), ..state };
    let back = after(&future, &token(3, 3, Some(2), 700), 700);
    assert_eq!(
        (back.race_credit, back.mark, back.earlier_mark),
        (7, mark(2, 700), mark(1, 1_000_000))
    );
    let again = after(&back, &token(4, 4, Some(3), 700), 1_000);
    assert_eq!(
        (again.race_credit, again.mark, again.earlier_mark),
        (8, mark(3, 1_000), mark(2, 700))
    );
    let hardly = RotationState { race_credit: 7, mark: mark(1, 730), ..state };
    assert_eq!(
        after(&hardly, &token(3, 3, Some(2), 700), 700).mark,
        mark(1, 730),
        "two clocks differ by seconds"
    );
}

#[test]
fn the_ends_of_the_numbers_overflow_nothing() {
    let end = Generation(u64::MAX);
    let state = RotationState {
        generation: end,
        current_iat: u64::MAX,
        current_since: u64::MAX,
        ..RotationState::new(jti(0), 0)
    };
    for token in [
        token(0, u64::MAX, None, 0),
        token(1, u64::MAX, Some(0), u64::MAX),
        token(2, 0, Some(5), 0),
    ] {
        for now in [0, u64::MAX] {
            assert!(matches!(
                decide(&state, &token, now, Duration::MAX),
                Decision::Mint { child, .. } if child.generation == end
            ));
        }
    }
}

#[test]
fn a_token_id_has_one_spelling_only() {
    for bad in [
        "",
        "_____________________",
        "_____________________x",
        "_____________________w=",
        "+++++++++++++++++++++w",
        "é____________________",
    ] {
        assert_eq!(bad.parse::<Jti>(), Err(InvalidJti), "{bad:?}");
    }
    assert_eq!(serde_json::to_string(&Jti([0; 16])).unwrap(), "\"AAAAAAAAAAAAAAAAAAAAAA\"");
    assert_eq!(serde_json::from_str::<Jti>("\"AAAAAAAAAAAAAAAAAAAAAA\"").unwrap(), Jti([0; 16]));
    assert!(serde_json::from_str::<Jti>("\"AAAA\"").is_err());
}

/// Token 2, minted at 300 and first presented at 600.
fn at_second_generation() -> RotationState {
    RotationState {
        generation: Generation(2),
        current_jti: jti(2),
        current_iat: 300,
        current_since: 600,
        mark: mark(1, 600),
        earlier_mark: mark(0, 300),
        ..RotationState::new(jti(0), 0)
    }
}

fn after(state: &RotationState, token: &Presented, now: u64) -> RotationState {
    match decide(state, token, now, WINDOW) {
        Decision::Mint { state: Some(state), .. } => state,
        other => panic!("{other:?}"),
    }
}

fn rule(state: &RotationState, token: &Presented, now: u64) -> Option<Rule> {
    match decide(state, token, now, WINDOW) {
        Decision::Mint { rule, .. } => Some(rule),
        Decision::Reused => None,
    }
}

const fn mark(generation: u64, since: u64) -> Mark {
    Mark { generation: Generation(generation), since }
}

fn token(number: u8, generation: u64, parent: Option<u8>, issued_at: u64) -> Presented {
    Presented {
        generation: Generation(generation),
        jti: jti(number),
        parent: parent.map(jti),
        issued_at,
    }
}

fn jti(number: u8) -> Jti {
    Jti([number; 16])
}

const WINDOW: Duration = Duration::from_secs(30);

#[test]
fn rules_have_the_numbers_of_the_protocol() {
    let rules = [
        (Rule::Repeated, 2),
        (Rule::Successor, 3),
        (Rule::AheadOfState, 4),
        (Rule::Race, 5),
        (Rule::Restart, 5),
        (Rule::OwnDevice, 5),
    ];
    assert!(rules.into_iter().all(|(rule, number)| rule.number() == number));
}

#[test]
fn a_tokens_number_is_written_as_in_the_token() {
    assert_eq!(Jti([0xff; 16]).to_string(), "_____________________w");
    assert_eq!(format!("{:?}", Jti([0; 16])), "Jti(AAAAAAAAAAAAAAAAAAAAAA)");
}
