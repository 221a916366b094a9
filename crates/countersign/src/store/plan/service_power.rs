//! What a service token may, which is never more than its maker may.

use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use serde_json::Map;

use crate::store::StoreError;
use crate::store::admin::{
    Actor, AdminError, KnownServiceToken, NewServiceToken, Powers, ServiceTokenRow, Who,
};
use crate::user::{User, UserId};

/// The token with who acts by it, while it counts; `maker` is the row of the user who made it, as
/// it is now.
pub(crate) fn known(
    row: ServiceTokenRow,
    maker: Option<&User>,
    now: Timestamp,
) -> Option<KnownServiceToken> {
    let has_ended = row.revoked_at.is_some() || row.expires_at <= now;
    let maker = match row.maker {
        _ if has_ended => return None,
        // Whoever has the machine has everything.
        Who::Shell(_) => None,
        _ => Some(maker.filter(|maker| maker.is_active && maker.is_staff)?),
    };
    let has_all = maker.is_none_or(|maker| maker.is_superuser);
    let those_of = |given: &[String], had: fn(&User) -> &[String]| -> Vec<String> {
        let has = |name: &&String| maker.is_some_and(|maker| had(maker).contains(name));
        given.iter().filter(|name| has_all || has(name)).cloned().collect()
    };
    let operator = User {
        id: UserId::new(0),
        username: row.name.clone(),
        email: String::new(),
        email_verified: false,
        first_name: String::new(),
        last_name: String::new(),
        is_active: true,
        is_staff: true,
        is_superuser: row.powers.is_superuser && has_all,
        date_joined: row.created_at,
        last_login: None,
        groups: those_of(&row.powers.groups, |maker| &maker.groups),
        permissions: those_of(&row.powers.permissions, |maker| &maker.permissions),
        locale: String::new(),
        metadata: Map::new(),
    };
    Some(KnownServiceToken { row, operator })
}

/// Refuses a token that would have what its maker has not. `maker` is the row of the user who makes
/// it, where a user does.
pub(crate) fn may_make(
    new: &NewServiceToken,
    by: &Actor,
    maker: Option<&User>,
) -> Result<(), AdminError> {
    let maker = match (&by.who, maker) {
        (Who::Shell(_), _) => return Ok(()),
        (Who::User(_), Some(maker)) if maker.is_active && maker.is_staff => maker,
        _ => return Err(AdminError::NotAllowed),
    };
    let Powers { permissions, groups, is_superuser } = &new.powers;
    let has_all = permissions.iter().all(|name| maker.permissions.contains(name))
        && groups.iter().all(|name| maker.groups.contains(name))
        && !is_superuser;
    if has_all || maker.is_superuser { Ok(()) } else { Err(AdminError::NotAllowed) }
}

/// What the line says of a token that was made.
pub(crate) fn made(row: &ServiceTokenRow) -> String {
    let Powers { permissions, groups, is_superuser } = &row.powers;
    let mut said = vec![named(row)];
    if *is_superuser {
        said.push("is_superuser".to_owned());
    }
    for (what, names) in [("permissions", permissions), ("groups", groups)] {
        if !names.is_empty() {
            said.push(format!("{what}: {}", names.join(", ")));
        }
    }
    said.push(format!("until {}", row.expires_at));
    said.join("; ")
}

/// A token's name and id.
pub(crate) fn named(row: &ServiceTokenRow) -> String {
    format!("{} ({})", row.name, row.id)
}

/// Before when a use must have been noted, for one at `at` to be noted.
pub(crate) fn noted_before(at: Timestamp) -> Timestamp {
    at.saturating_sub(SignedDuration::from_mins(1)).unwrap_or(Timestamp::MIN)
}

/// Before when a key of idempotency is forgotten.
pub(crate) fn keys_kept_since(now: Timestamp) -> Timestamp {
    now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN)
}

/// A list as it stands in a column.
pub(crate) fn written<T: ToString>(list: &[T]) -> String {
    let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
    serde_json::Value::from(texts).to_string()
}

/// The inverse of [`written`].
pub(crate) fn list_of(column: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(column)
        .map_err(|error| StoreError::Failed(format!("a list of a service token is none: {error}")))
}

/// The same of networks. One that cannot be read is refused: without it the token would be good
/// everywhere.
pub(crate) fn networks_of(column: &str) -> Result<Vec<IpNet>, StoreError> {
    let parse = |text: String| {
        text.parse().map_err(|_| StoreError::Failed(format!("{text:?} is no network")))
    };
    list_of(column)?.into_iter().map(parse).collect()
}

/// Who made a token, out of its columns.
pub(crate) fn maker_of(id: Option<i64>, name: Option<&str>) -> Result<Who, StoreError> {
    match (id, name.and_then(Who::from_name)) {
        (Some(id), _) => Ok(Who::User(UserId::new(id))),
        (None, Some(who @ Who::Shell(_))) => Ok(who),
        _ => Err(StoreError::Failed("a service token has no maker".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::plan::user_edit::tests::user;
    use crate::token::SecretHash;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const LATER: Timestamp = Timestamp::constant(60, 0);

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn powers() -> Powers {
        Powers {
            permissions: names(&["auth.add_user", "shop.sell"]),
            groups: names(&["editors"]),
            is_superuser: true,
        }
    }

    fn row(maker: Who) -> ServiceTokenRow {
        ServiceTokenRow {
            id: 7,
            name: "importer".to_owned(),
            powers: powers(),
            networks: Vec::new(),
            maker,
            created_at: NOW,
            expires_at: LATER,
            last_used_at: None,
            revoked_at: None,
        }
    }

    fn maker() -> User {
        User { is_staff: true, ..user("ada") }
    }

    #[test]
    fn a_token_has_of_what_it_was_given_only_what_its_maker_has_now() {
        let ada = User { permissions: names(&["shop.sell", "shop.refund"]), ..maker() };
        let acts = known(row(Who::User(ada.id)), Some(&ada), NOW).unwrap().operator;
        assert_eq!(acts.permissions, ["shop.sell"]);
        assert!(acts.groups.is_empty() && !acts.is_superuser);
        let editor = User { groups: names(&["editors"]), ..maker() };
        let acts = known(row(Who::User(ada.id)), Some(&editor), NOW).unwrap().operator;
        assert_eq!((acts.groups, acts.permissions), (names(&["editors"]), names(&[])));
    }

    #[test]
    fn a_token_of_a_superuser_and_of_the_shell_has_all_that_it_was_given_and_no_more() {
        let root = User { is_superuser: true, ..maker() };
        for (who, maker) in [(Who::User(root.id), Some(&root)), (Who::shell("root"), None)] {
            let acts = known(row(who.clone()), maker, NOW).unwrap().operator;
            assert!(acts.is_superuser && acts.is_staff && acts.is_active);
            assert_eq!(acts.permissions, powers().permissions);
            let modest = Powers { is_superuser: false, ..powers() };
            let acts = known(ServiceTokenRow { powers: modest, ..row(who) }, maker, NOW).unwrap();
            assert!(!acts.operator.is_superuser);
        }
    }

    #[test]
    fn a_token_counts_neither_after_its_time_nor_when_its_maker_may_nothing() {
        let root = User { is_superuser: true, ..maker() };
        let of_root = || row(Who::User(root.id));
        assert!(known(of_root(), Some(&root), LATER).is_none(), "its time is over");
        assert!(known(row(Who::shell("root")), None, LATER).is_none(), "the shell's too");
        let revoked = ServiceTokenRow { revoked_at: Some(NOW), ..of_root() };
        assert!(known(revoked, Some(&root), NOW).is_none());
        for gone in [
            None,
            Some(User { is_active: false, ..root.clone() }),
            Some(User { is_staff: false, ..root.clone() }),
        ] {
            assert!(known(of_root(), gone.as_ref(), NOW).is_none(), "{gone:?}");
        }
    }

    #[test]
    fn nobody_gives_a_token_what_they_do_not_have() {
        let new = |powers: Powers| NewServiceToken {
            name: "importer".to_owned(),
            hash: SecretHash::from_stored(&[7; 32]).unwrap(),
            powers,
            networks: Vec::new(),
            expires_at: LATER,
        };
        let modest = Powers { is_superuser: false, ..powers() };
        let ada = User { permissions: powers().permissions, groups: powers().groups, ..maker() };
        let by = Actor::staff(ada.id, None, NOW);
        let may = |powers: &Powers, maker: Option<&User>| {
            may_make(&new(powers.clone()), &by, maker).is_ok()
        };
        assert!(may(&modest, Some(&ada)));
        assert!(!may(&powers(), Some(&ada)), "no superuser");
        assert!(may(&powers(), Some(&User { is_superuser: true, ..maker() })));
        for less in [
            User { permissions: names(&["shop.sell"]), ..ada.clone() },
            User { groups: names(&[]), ..ada.clone() },
            User { is_staff: false, ..ada.clone() },
            User { is_active: false, ..ada.clone() },
        ] {
            assert!(!may(&modest, Some(&less)), "{less:?}");
        }
        assert!(!may(&Powers::default(), None), "whoever is not there");
        let service = Actor { who: row(Who::shell("root")).who(), ..by };
        let root = User { is_superuser: true, ..maker() };
        assert!(may_make(&new(modest), &service, Some(&root)).is_err(), "a token makes no token");
        assert!(may_make(&new(powers()), &Actor::shell("root", NOW), None).is_ok());
    }

    #[test]
    fn what_stands_in_the_columns_comes_back() {
        let networks: Vec<IpNet> =
            ["10.0.0.0/8", "2001:db8::/32"].map(|n| n.parse().unwrap()).into();
        assert_eq!(networks_of(&written(&networks)).unwrap(), networks);
        assert!(networks_of(r#"["nonsense"]"#).is_err() && list_of("{}").is_err());
        assert_eq!(maker_of(Some(7), None).unwrap(), Who::User(UserId::new(7)));
        assert_eq!(maker_of(None, Some("shell:ada")).unwrap(), Who::shell("ada"));
        assert!(maker_of(None, None).is_err() && maker_of(None, Some("service:7:x")).is_err());
    }

    #[test]
    fn the_line_of_a_token_says_what_it_may_and_until_when() {
        assert_eq!(
            made(&row(Who::shell("root"))),
            "importer (7); is_superuser; permissions: auth.add_user, shop.sell; groups: editors; \
             until 1970-01-01T00:01:00Z"
        );
    }
}
