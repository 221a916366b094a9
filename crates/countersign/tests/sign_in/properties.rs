//! What the machine promises, whatever it is asked.

use std::time::Duration;

use countersign::sign_in::{
    FACTOR_TRIES, FactorKind, Factors, Known, Method, Methods, Next, Pending, Proof, Refusal,
    Rules, Scope, decide,
};
use jiff::Timestamp;
use proptest::prelude::*;

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn around_now() -> impl Strategy<Value = Timestamp> {
    (-2..3i64).prop_map(|seconds| now() + jiff::SignedDuration::from_secs(seconds))
}

fn factors() -> impl Strategy<Value = Factors> {
    prop::collection::vec(prop::sample::select(FactorKind::ALL.to_vec()), 0..4)
        .prop_map(Factors::of)
}

fn methods() -> impl Strategy<Value = Methods> {
    prop::collection::vec(prop::sample::select(Method::ALL.to_vec()), 0..4).prop_map(Methods::of)
}

fn known() -> impl Strategy<Value = Known> {
    (any::<bool>(), factors(), prop::option::of(around_now())).prop_map(
        |(may_enter, enrolled, remembered_until)| Known { may_enter, enrolled, remembered_until },
    )
}

fn pending() -> impl Strategy<Value = Pending> {
    (methods(), around_now(), 0..=FACTOR_TRIES + 1, any::<bool>(), any::<bool>()).prop_map(
        |(proved, until, tries, is_used, is_as_it_was)| Pending {
            proved,
            until,
            tries,
            is_used,
            is_as_it_was,
        },
    )
}

fn proof() -> impl Strategy<Value = Proof> {
    let passkey = (any::<bool>(), any::<bool>()).prop_map(|(is_user_verified, is_in_hardware)| {
        Proof::Passkey { is_user_verified, is_in_hardware }
    });
    prop_oneof![
        prop::sample::select(vec![
            Proof::Password,
            Proof::Mailbox,
            Proof::Federated,
            Proof::OfTheApp,
            Proof::Totp,
            Proof::RecoveryCode,
        ]),
        passkey,
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    (any::<bool>(), any::<bool>())
        .prop_map(|(is_required, may_remember)| Rules { is_required, may_remember })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn who_may_not_enter_never_does(
        known in known(), pending in prop::option::of(pending()), proof in proof(),
        rules in rules(),
    ) {
        let known = Known { may_enter: false, ..known };
        let next = decide(&known, pending.as_ref(), proof, rules, now());
        prop_assert_eq!(next, Next::Refuse(Refusal::NoEntry));
    }

    #[test]
    fn who_has_a_second_factor_gets_in_with_two_or_on_a_remembered_device(
        known in known(), pending in prop::option::of(pending()), proof in proof(),
        rules in rules(),
    ) {
        let Next::Begin(admission) = decide(&known, pending.as_ref(), proof, rules, now()) else {
            return Ok(());
        };
        let several = admission.methods().has(Method::Several);
        let remembered = pending.is_none()
            && rules.may_remember
            && known.remembered_until.is_some_and(|until| until > now());
        prop_assert!(several || remembered || !known.enrolled.is_second());
        prop_assert!(admission.scope() == Scope::Full || !known.enrolled.is_second());
    }

    #[test]
    fn who_must_have_a_second_factor_and_has_none_may_enrol_and_nothing_else(
        known in known(), proof in proof(),
        may_remember in any::<bool>(),
    ) {
        let rules = Rules { is_required: true, may_remember };
        let known = Known { enrolled: Factors::default(), may_enter: true, ..known };
        if let Next::Begin(admission) = decide(&known, None, proof, rules, now()) {
            prop_assert_eq!(admission.scope(), Scope::Enrol);
        }
    }

    #[test]
    fn a_sign_in_that_is_over_begins_nothing(
        known in known(), pending in pending(), proof in proof(), rules in rules(),
    ) {
        let is_live = !pending.is_used
            && pending.tries < FACTOR_TRIES
            && pending.until > now()
            && pending.is_as_it_was;
        let next = decide(&known, Some(&pending), proof, rules, now());
        prop_assert!(is_live || matches!(next, Next::Refuse(_)), "{next:?}");
    }

    #[test]
    fn a_factor_that_is_not_enrolled_proves_nothing(
        known in known(), pending in prop::option::of(pending()), proof in proof(),
        rules in rules(),
    ) {
        if let Some(factor) = proof.factor().filter(|factor| !known.enrolled.has(*factor)) {
            let next = decide(&known, pending.as_ref(), proof, rules, now());
            prop_assert!(matches!(next, Next::Refuse(_)), "{factor}: {next:?}");
        }
    }

    #[test]
    fn a_second_step_needs_a_first_and_is_none_itself(
        known in known(), pending in pending(), rules in rules(),
    ) {
        for second in [Proof::Totp, Proof::RecoveryCode] {
            let next = decide(&known, None, second, rules, now());
            prop_assert!(matches!(next, Next::Refuse(_)), "{next:?}");
        }
        for first in [Proof::Password, Proof::Mailbox, Proof::Federated, Proof::OfTheApp] {
            let next = decide(&known, Some(&pending), first, rules, now());
            prop_assert!(matches!(next, Next::Refuse(_)), "{next:?}");
        }
    }

    #[test]
    fn a_token_names_what_was_proved_and_nothing_more(
        known in known(), pending in prop::option::of(pending()), proof in proof(),
        rules in rules(),
    ) {
        if let Next::Begin(admission) = decide(&known, pending.as_ref(), proof, rules, now()) {
            let proved = pending.map_or(Methods::default(), |pending| pending.proved)
                .and(proof.methods());
            let said = admission.methods();
            for method in Method::ALL.into_iter().filter(|method| *method != Method::Several) {
                prop_assert_eq!(said.has(method), proved.has(method));
            }
            prop_assert_eq!(
                said.has(Method::Several),
                pending.is_some() || proof.methods().has(Method::Several)
            );
        }
    }
}

#[test]
fn a_passkey_that_knows_its_owner_is_both_steps_at_once() {
    let enrolled = Factors::of([FactorKind::Passkey, FactorKind::Totp]);
    let known = Known { may_enter: true, enrolled, remembered_until: None };
    let passkey = |is_user_verified| Proof::Passkey { is_user_verified, is_in_hardware: false };
    let Next::Begin(admission) = decide(&known, None, passkey(true), Rules::default(), now())
    else {
        panic!("a verified passkey is enough");
    };
    assert_eq!(admission.methods().to_string(), "swk mfa");
    let next = decide(&known, None, passkey(false), Rules::default(), now());
    assert_eq!(next, Next::Refuse(Refusal::Unfit));
}

#[test]
fn a_remembered_device_is_remembered_until_a_moment_and_not_for_staff() {
    let enrolled = Factors::of([FactorKind::Totp]);
    let until = Some(now() + Duration::from_secs(1));
    let known = Known { may_enter: true, enrolled, remembered_until: until };
    let rules = |may_remember| Rules { is_required: false, may_remember };
    let next = |known: &Known, rules, at| decide(known, None, Proof::Password, rules, at);
    assert!(matches!(next(&known, rules(true), now()), Next::Begin(_)));
    let later = now() + Duration::from_secs(1);
    assert_eq!(next(&known, rules(true), later), Next::Ask(enrolled));
    assert_eq!(next(&known, rules(false), now()), Next::Ask(enrolled));
}
