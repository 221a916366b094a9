use std::time::Duration;

use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;

use super::*;

#[test]
fn parallel_guesses_never_exceed_the_budget() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    for account in [ALICE, AccountKey::Unknown("nobody")] {
        let passed: usize = std::thread::scope(|scope| {
            let guess = || {
                (0..500_u32)
                    .filter(|guess| throttle.begin(account, None, address(*guess), start()).is_ok())
                    .count()
            };
            let guessers: Vec<_> = (0..8).map(|_| scope.spawn(guess)).collect();
            guessers.into_iter().map(|guesser| guesser.join().unwrap()).sum()
        });
        assert_eq!(passed, 5, "{account:?}");
    }
}

#[test]
fn delays_double_up_to_the_longest() {
    let throttle =
        LoginThrottle::new(ThrottleSettings { address_attempts: 0, ..ThrottleSettings::default() });
    let mut now = start();
    for _free in 0..5 {
        fail(&throttle, None, now);
    }
    for seconds in [1_u32, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900] {
        assert_eq!(
            throttle.begin(ALICE, None, HOME, now).map_err(RetryAfter::seconds).unwrap_err(),
            seconds
        );
        assert!(
            throttle
                .begin(ALICE, None, HOME, now + i64::from(seconds).seconds() - 1.microseconds())
                .is_err(),
            "{seconds}"
        );
        now += i64::from(seconds).seconds();
        fail(&throttle, None, now);
    }
}

#[test]
fn hammering_at_a_closed_door_does_not_keep_it_closed() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    let guesses = (0..24 * 60 * 60)
        .filter(|second| {
            throttle.begin(ALICE, None, address(*second as u32), start() + second.seconds()).is_ok()
        })
        .count();
    assert!(
        (96..120).contains(&guesses),
        "a day of guessing at every second tries {guesses} passwords"
    );
}

#[test]
fn failures_are_forgiven_one_for_each_longest_delay() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    for _ in 0..5 {
        fail(&throttle, None, start());
    }
    let later = start() + 45.minutes();
    for _ in 0..3 {
        fail(&throttle, None, later);
    }
    assert!(throttle.begin(ALICE, None, HOME, later).is_err(), "three of five were forgiven");
    let after_a_year = start() + 8_760.hours();
    for _ in 0..5 {
        fail(&throttle, None, after_a_year);
    }
    assert!(throttle.begin(ALICE, None, HOME, after_a_year).is_err());
}

#[test]
fn a_right_password_begins_anew_and_costs_the_address_nothing() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    for _ in 0..4 {
        fail(&throttle, None, start());
    }
    for _ in 0..1_000 {
        throttle.succeeded(throttle.begin(ALICE, None, HOME, start()).unwrap());
    }
    for _ in 0..5 {
        fail(&throttle, None, start());
    }
    assert!(throttle.begin(ALICE, None, HOME, start()).is_err());
}

#[test]
fn a_cancelled_attempt_was_no_guess() {
    let throttle = LoginThrottle::new(ThrottleSettings {
        address_attempts: 20,
        ..ThrottleSettings::default()
    });
    for _ in 0..1_000 {
        throttle.cancelled(throttle.begin(ALICE, None, HOME, start()).unwrap());
    }
    assert_eq!(throttle.users.len(), 0);
    for _ in 0..5 {
        fail(&throttle, None, start());
    }
    // A full queue at the end of the wait must not begin it again.
    let now = start() + 1.seconds();
    for _ in 0..4 {
        throttle.cancelled(throttle.begin(ALICE, None, HOME, now).unwrap());
    }
    fail(&throttle, None, now);
    assert_eq!(throttle.begin(ALICE, None, HOME, now).map_err(RetryAfter::seconds).unwrap_err(), 2);
}

#[test]
fn a_cancelled_attempt_takes_back_only_itself() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    let cancelled = throttle.begin(ALICE, None, HOME, start()).unwrap();
    for _ in 0..4 {
        fail(&throttle, None, start());
    }
    throttle.cancelled(cancelled);
    fail(&throttle, None, start());
    assert!(throttle.begin(ALICE, None, HOME, start()).is_err(), "five failures stand");
}

#[test]
fn an_address_has_a_budget_over_all_accounts_and_ipv6_counts_by_64() {
    for (mine, neighbour, stranger) in [
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
    ] {
        let throttle = LoginThrottle::new(ThrottleSettings::default());
        let [mine, neighbour, stranger]: [IpAddr; 3] =
            [mine, neighbour, stranger].map(|text| text.parse().unwrap());
        for user in 0..100 {
            assert!(
                throttle.begin(AccountKey::User(UserId::new(user)), None, mine, start()).is_ok(),
                "{user}"
            );
        }
        assert_eq!(
            throttle
                .begin(ALICE, None, neighbour, start())
                .map_err(RetryAfter::seconds)
                .unwrap_err(),
            6
        );
        assert!(throttle.begin(ALICE, None, stranger, start()).is_ok());
        assert!(throttle.begin(ALICE, None, mine, start() + 6.seconds()).is_ok());
    }
}

#[test]
fn an_attempt_that_the_account_refuses_costs_the_address_nothing() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    for _ in 0..1_000 {
        let _ = throttle.begin(ALICE, None, HOME, start());
    }
    assert!(throttle.begin(BOB, None, HOME, start()).is_ok());
}

#[test]
fn a_devices_own_failures_block_it() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    for _ in 0..5 {
        fail(&throttle, Some(LAPTOP), start());
    }
    assert!(throttle.begin(ALICE, Some(LAPTOP), HOME, start()).is_err());
    assert!(throttle.begin(ALICE, Some(DeviceId(8)), HOME, start()).is_ok(), "another device");
    assert!(throttle.begin(ALICE, None, HOME, start()).is_ok(), "anywhere else");
}

#[test]
fn a_name_and_an_address_are_counted_as_two_texts_whoever_has_them() {
    let ada = UserId::new(1);
    let pairs = [
        [
            AccountKey::Named { user: ada, by: "ada" },
            AccountKey::Named { user: ada, by: "ada@example.com" },
        ],
        [
            AccountKey::Named { user: ada, by: "ada" },
            AccountKey::Named { user: UserId::new(2), by: "bob@example.com" },
        ],
        [AccountKey::Unknown("ada"), AccountKey::Unknown("ada@example.com")],
    ];
    for [name, mail] in pairs {
        let throttle = LoginThrottle::new(ThrottleSettings::default());
        let mut guess = |account| throttle.begin(account, None, HOME, start()).is_ok();
        let answers: Vec<bool> = [name; 6].into_iter().chain([mail; 6]).map(&mut guess).collect();
        assert_eq!(
            answers,
            [[true; 5].as_slice(), &[false], &[true; 5], &[false]].concat(),
            "{name:?}, {mail:?}"
        );
    }
}

#[test]
fn an_account_that_an_app_calls_by_many_names_has_one_count_for_them() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    let passed = (0..20).filter(|_| throttle.begin(ALICE, None, HOME, start()).is_ok()).count();
    assert_eq!(passed, 5);
}

#[test]
fn sixty_devices_have_no_more_guesses_at_an_account_than_four() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    let guess = |number: u64| {
        throttle.begin(ALICE, Some(DeviceId(number % 60)), address(number as u32), start()).is_ok()
    };
    assert_eq!((0..300).filter(|number| guess(*number)).count(), 20);
}

#[test]
fn known_devices_of_many_accounts_have_an_addresss_budget_of_their_own() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    let guess = |user, device| {
        throttle.begin(AccountKey::User(UserId::new(user)), device, HOME, start()).is_ok()
    };
    assert_eq!((0..300).filter(|number| guess(*number, Some(LAPTOP))).count(), 100);
    assert_eq!((0..300).filter(|number| guess(*number, None)).count(), 100, "strangers from there");
}

#[test]
fn a_device_that_was_stolen_locks_out_no_other() {
    let throttle =
        LoginThrottle::new(ThrottleSettings { address_attempts: 0, ..ThrottleSettings::default() });
    for minute in 0..7 * 24 * 60 {
        let now = start() + minute.minutes();
        drop(throttle.begin(ALICE, Some(DeviceId(8)), HOME, now));
        let owner = throttle.begin(ALICE, Some(LAPTOP), HOME, now);
        throttle.cancelled(owner.unwrap_or_else(|wait| panic!("after {minute} minutes: {wait}")));
    }
}

#[test]
fn an_attempt_that_the_devices_together_refuse_leaves_no_trace() {
    let throttle = LoginThrottle::new(ThrottleSettings {
        address_attempts: 21,
        ..ThrottleSettings::default()
    });
    for number in 0..20 {
        drop(throttle.begin(ALICE, Some(DeviceId(100 + number / 5)), HOME, start()).unwrap());
    }
    let remembered = throttle.remembered();
    for _ in 0..50 {
        assert!(throttle.begin(ALICE, Some(LAPTOP), HOME, start()).is_err());
    }
    assert_eq!(throttle.remembered(), remembered);
    assert!(throttle.begin(BOB, Some(LAPTOP), HOME, start()).is_ok(), "the address has one left");
}

#[test]
fn invented_names_push_out_no_account() {
    let throttle =
        LoginThrottle::new(ThrottleSettings { address_attempts: 0, ..ThrottleSettings::default() });
    for _ in 0..5 {
        fail(&throttle, None, start());
    }
    for number in 0..100_000 {
        let _ = throttle.begin(AccountKey::Unknown(&format!("name{number}")), None, HOME, start());
    }
    assert!(throttle.begin(ALICE, None, HOME, start()).is_err());
}

#[test]
fn a_flood_does_not_fill_memory() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    for number in 0..100_000_u32 {
        let (user, device) =
            (AccountKey::User(UserId::new(i64::from(number))), DeviceId(u64::from(number)));
        for (account, device) in
            [(user, None), (user, Some(device)), (AccountKey::Unknown(&number.to_string()), None)]
        {
            let _ = throttle.begin(account, device, address(number), start());
        }
    }
    assert!(throttle.remembered() <= 229_376);
}

#[test]
fn zero_switches_a_limit_off() {
    let throttle = LoginThrottle::new(ThrottleSettings {
        account_attempts: 0,
        address_attempts: 0,
        ..ThrottleSettings::default()
    });
    for _ in 0..1_000 {
        fail(&throttle, None, start());
    }
    assert_eq!(throttle.remembered(), 0);
}

#[test]
fn a_clock_that_goes_back_by_the_whole_window_refuses_no_address() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    drop(throttle.begin(AccountKey::Unknown("nobody"), None, HOME, start()).unwrap());
    let earlier = start() - 10.minutes();
    let begun = (0..200)
        .filter(|name| {
            throttle.begin(AccountKey::Unknown(&name.to_string()), None, HOME, earlier).is_ok()
        })
        .count();
    assert_eq!(begun, 99, "of a hundred one was spent before");
}

#[test]
fn a_clock_that_goes_back_costs_the_delay_at_most() {
    let throttle =
        LoginThrottle::new(ThrottleSettings { address_attempts: 0, ..ThrottleSettings::default() });
    for _ in 0..5 {
        fail(&throttle, None, start());
    }
    let earlier = start() - 24.hours();
    assert_eq!(
        throttle.begin(ALICE, None, HOME, earlier).map_err(RetryAfter::seconds).unwrap_err(),
        1
    );
    assert!(throttle.begin(ALICE, None, HOME, earlier + 1.seconds()).is_ok());
}

proptest! {
    /// Whatever strangers do, from wherever, the owner on their own device gets in.
    #[test]
    fn an_owner_on_a_known_device_is_never_blocked_by_others(
        strangers in prop::collection::vec(stranger(), 0..300),
    ) {
        let settings = ThrottleSettings { address_attempts: 10, ..ThrottleSettings::default() };
        let throttle = LoginThrottle::new(settings);
        let mut now = start();
        for (account, device, address, pause, outcome) in strangers {
            now += SignedDuration::from_millis(pause);
            if let Ok(attempt) = throttle.begin(account, device, address, now) {
                match outcome {
                    0 => throttle.succeeded(attempt),
                    1 => throttle.cancelled(attempt),
                    _failure => drop(attempt),
                }
            }
        }
        prop_assert!(throttle.begin(ALICE, Some(LAPTOP), HOME, now).is_ok());
    }

    /// In any span of time, however the attempts are spread, the guesses at one account stay within
    /// the free ones, the doublings and one for each longest delay.
    #[test]
    fn guesses_at_an_account_are_bounded(
        pauses in prop::collection::vec(
            prop_oneof![Just(0), 0..3_000_i64, 0..2_000_000_i64],
            1..400,
        ),
    ) {
        let settings = ThrottleSettings { address_attempts: 0, ..ThrottleSettings::default() };
        let throttle = LoginThrottle::new(settings);
        let (mut now, mut passed) = (start(), 0);
        for pause in pauses {
            now += SignedDuration::from_millis(pause);
            passed += i64::from(throttle.begin(ALICE, None, HOME, now).is_ok());
            let longest_delays = now.duration_since(start()).as_secs() / 900;
            prop_assert!(passed <= 5 + 10 + 1 + longest_delays, "{passed} in {longest_delays} \
                longest delays");
        }
    }

    #[test]
    fn delays_only_grow_with_failures(
        free in 1..20_u32,
        longest in 0..5_000_u64,
        failures in 0..200_u32,
    ) {
        let settings = ThrottleSettings {
            account_attempts: free,
            account_max_delay: Duration::from_secs(longest),
            ..ThrottleSettings::default()
        };
        let delays = Delays::new(&settings).unwrap();
        prop_assert!(delays.after(failures) <= delays.after(failures + 1));
        prop_assert!(delays.after(failures) <= delays.longest);
        prop_assert_eq!(delays.after(failures) == 0, failures < free);
        prop_assert_eq!(delays.after(delays.most), delays.longest);
    }
}

fn stranger() -> impl Strategy<Value = (AccountKey<'static>, Option<DeviceId>, IpAddr, i64, u8)> {
    let account = prop::sample::select(vec![ALICE, ALICE, BOB, AccountKey::Unknown("nobody")]);
    let address =
        prop::sample::select(vec![HOME, HOME, address(1), "2001:db8::1".parse().unwrap()]);
    (account, Just(None), address, 0..2_000_i64, 0..8_u8)
}

fn fail(throttle: &LoginThrottle, device: Option<DeviceId>, now: Timestamp) {
    drop(throttle.begin(ALICE, device, HOME, now).unwrap());
}

fn address(number: u32) -> IpAddr {
    IpAddr::V4((0x0a00_0000 + number).into())
}

fn start() -> Timestamp {
    Timestamp::UNIX_EPOCH + 500_000.hours()
}

const ALICE: AccountKey<'_> = AccountKey::User(UserId::new(1));
const BOB: AccountKey<'_> = AccountKey::User(UserId::new(2));
const LAPTOP: DeviceId = DeviceId(7);
const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

#[test]
fn what_is_remembered_is_counted_in_every_table() {
    let throttle = LoginThrottle::new(ThrottleSettings::default());
    assert_eq!(throttle.remembered(), 0);
    let fail = |account, device| {
        drop(throttle.begin(account, device, HOME, start()).unwrap());
        throttle.remembered()
    };
    assert_eq!(fail(AccountKey::Unknown("nobody"), None), 2, "a name and an address");
    assert_eq!(fail(ALICE, None), 3, "and a user");
    assert_eq!(
        fail(ALICE, Some(DeviceId(1))),
        6,
        "and a device, all of them, and the address of those who have one"
    );
}

#[test]
fn failures_fade_one_after_another() {
    let failures = Failures { many: 3, serial: 0, last: 500 };
    assert_eq!(failures.fades_at(100), 800);
    assert_eq!(failures.fades_at(u64::MAX), u64::MAX);
}

#[test]
fn without_a_limit_there_are_no_delays() {
    let unlimited = ThrottleSettings { account_attempts: 0, ..ThrottleSettings::default() };
    assert!(LoginThrottle::new(unlimited).delays().is_none());
    assert!(LoginThrottle::new(ThrottleSettings::default()).delays().is_some());
}

#[test]
fn all_devices_together_have_four_times_the_budget_and_the_same_delays() {
    let one = Delays { free: 5, longest: 900 * SECOND, most: 15 };
    let all = Delays { free: 20, longest: 900 * SECOND, most: 30 };
    assert_eq!(one.of_all_devices(), all);
}
