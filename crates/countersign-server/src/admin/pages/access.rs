//! `/admin/users/ID/access`: a user's groups and permissions, and what they come to, with where
//! each comes from.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use countersign::store::admin::{AdminError, Grants, UserEdit, UserRecord};
use countersign::user::{Email, User};

use crate::admin::gate::{Path, Posted, Query, Staff};
use crate::admin::kit::field::{Field, own_password};
use crate::admin::kit::forms::Form;
use crate::admin::kit::frame::Frame;
use crate::admin::kit::page::{page, redirect};
use crate::admin::kit::page_error::{PageError, PageResult};
use crate::admin::kit::permissions::{name_of, permission_picker};
use crate::admin::kit::picker::{Pick, Picker};
use crate::admin::kit::users::{fingerprint, record, seen};
use crate::admin::rules::{Permit, may_edit, may_give_group, may_touch, not_to_give};
use crate::admin::site::Admin;

pub(crate) async fn form(
    State(admin): State<Admin>,
    staff: Staff,
    Query(query): Query,
    Path(id): Path,
) -> PageResult {
    staff.needs(Permit::ViewUser)?;
    let record = record(&admin, &id).await?;
    let grants = record.grants.clone();
    let template = AccessPage::new(&admin, &staff, &query, &record, &grants, None).await?;
    Ok(page(StatusCode::OK, &template))
}

pub(crate) async fn save(State(admin): State<Admin>, Path(id): Path, posted: Posted) -> PageResult {
    let staff = &posted.staff;
    staff.needs(Permit::ChangeUser)?;
    let record = record(&admin, &id).await?;
    if !may_touch(&staff.user, &record.user, Permit::ChangeUser) {
        return Err(PageError::forbidden(
            "This user is staff or a superuser, whom only a superuser may change.",
        ));
    }
    let wanted = Grants {
        groups: posted.form.numbers("groups")?,
        permissions: posted.form.numbers("permissions")?,
    };
    let permissions = admin.store.permissions().await?;
    if let Some(id) =
        wanted.permissions.iter().find(|id| permissions.iter().all(|row| row.id != **id))
    {
        return Err(PageError::gone(&format!(
            "There is no permission {id}, and nothing was changed."
        )));
    }
    if let Some(row) =
        not_to_give(&staff.user, &record.grants.permissions, &wanted.permissions, &permissions)
    {
        return Err(PageError::forbidden(format!(
            "You do not have {} yourself, so you may not give it. Nothing was changed.",
            name_of(row)
        )));
    }
    for id in wanted.groups.iter().filter(|id| !record.grants.groups.contains(id)) {
        let group = admin.store.group_record(*id).await?;
        let group = group.ok_or_else(|| {
            PageError::gone("One of the groups is not there any more, and nothing was changed.")
        })?;
        if !may_give_group(&staff.user, &group.name) {
            return Err(PageError::forbidden(format!(
                "You are not in the group {} yourself, so you may not put others into it. Nothing \
                 was changed.",
                group.name
            )));
        }
    }
    if posted.form.ticked("look") {
        // Nothing is saved, and what was seen stays what it was.
        let mut found =
            AccessPage::new(&admin, staff, &posted.form, &record, &wanted, None).await?;
        found.seen = seen(fingerprint(&posted.form)?);
        return Ok(page(StatusCode::OK, &found));
    }
    if wanted == record.grants {
        return Ok(redirect(&format!("/admin/users/{id}/access?said=unchanged")));
    }
    let seen_before = fingerprint(&posted.form)?;
    if seen_before != record.fingerprint {
        return stale(&admin, staff, &record, &wanted).await;
    }
    posted.confirm(&admin).await?;
    let edit = with_grants(&record.user, wanted.clone())?;
    let operator = posted.operator(&admin).who(may_edit);
    let (post, random) = (Some(&**admin.auth.post()), &*admin.services.random);
    match operator.edit_user(&record.user, &edit, seen_before, post, random).await {
        Ok(_) => {
            admin.auth.catch_up().await?;
            Ok(redirect(&format!("/admin/users/{id}/access?said=access")))
        }
        Err(AdminError::Stale) => {
            let now = admin
                .store
                .user_record(record.user.id)
                .await?
                .ok_or_else(|| PageError::gone("There is no such user any more."))?;
            stale(&admin, staff, &now, &wanted).await
        }
        Err(error) => Err(error.into()),
    }
}

/// What was ticked, beside what is there now.
async fn stale(admin: &Admin, staff: &Staff, now: &UserRecord, wanted: &Grants) -> PageResult {
    let (query, theirs) = (Form::default(), Some(&now.grants));
    let template = AccessPage::new(admin, staff, &query, now, wanted, theirs).await?;
    Ok(page(StatusCode::CONFLICT, &template))
}

/// The same user with other groups and permissions. The fingerprint sees to it that the rest is
/// what it was.
fn with_grants(user: &User, grants: Grants) -> Result<UserEdit, PageError> {
    let email = match user.email.as_str() {
        "" => None,
        email => Some(Email::parse(email).map_err(|_| {
            PageError::conflict(
                "The user's e-mail address would not be taken today. \
                    Correct it on the user's page first.",
            )
        })?),
    };
    Ok(UserEdit {
        username: None,
        email,
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        is_active: user.is_active,
        is_staff: user.is_staff,
        is_superuser: user.is_superuser,
        grants: Some(grants),
        metadata: user.metadata.clone(),
    })
}

#[derive(Template)]
#[template(path = "admin/access.html")]
struct AccessPage<'a> {
    frame: Frame,
    record: &'a UserRecord,
    seen: String,
    find: String,
    groups: Picker,
    permissions: Picker,
    /// What it comes to: the permission, its name, where from.
    effective: Vec<(String, String, String)>,
    /// When somebody else was quicker: what is there now, in words.
    meanwhile: Option<String>,
    own_password: Option<Field<'a>>,
    may_change: bool,
}

impl<'a> AccessPage<'a> {
    async fn new(
        admin: &Admin,
        staff: &Staff,
        query: &Form,
        record: &'a UserRecord,
        ticked: &Grants,
        meanwhile: Option<&Grants>,
    ) -> Result<Self, PageError> {
        let (all, find) = (admin.store.permissions().await?, query.text("find"));
        let mut groups = BTreeMap::new();
        for group in admin.store.groups("", None, GROUPS_OFFERED).await? {
            groups.insert(group.id, group.name);
        }
        let mut effective: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for id in &record.grants.permissions {
            effective.entry(*id).or_default().push("given to the user alone".to_owned());
        }
        for id in &record.grants.groups {
            if let Some(group) = admin.store.group_record(*id).await? {
                for permission in &group.permissions {
                    effective
                        .entry(*permission)
                        .or_default()
                        .push(format!("the group {}", group.name));
                }
                groups.insert(group.id, group.name);
            }
        }
        let effective = all.iter().filter_map(|row| {
            Some((name_of(row), row.text.name.clone(), effective.get(&row.id)?.join(" and ")))
        });
        let mut sorted: Vec<_> = groups.iter().collect();
        sorted.sort_by_key(|(_, name)| name.to_lowercase());
        let picks = sorted.into_iter().map(|(id, name)| {
            let locked = !record.grants.groups.contains(id) && !may_give_group(&staff.user, name);
            Pick {
                id: *id,
                text: name.clone(),
                note: String::new(),
                ticked: ticked.groups.contains(id),
                locked,
            }
        });
        let in_words = |grants: &Grants| {
            let mut names: Vec<String> = grants
                .groups
                .iter()
                .filter_map(|id| groups.get(id).map(|name| format!("the group {name}")))
                .collect();
            names
                .extend(all.iter().filter(|row| grants.permissions.contains(&row.id)).map(name_of));
            if names.is_empty() {
                "no group and no permission".to_owned()
            } else {
                names.join(", ")
            }
        };
        let may_change = may_touch(&staff.user, &record.user, Permit::ChangeUser);
        Ok(Self {
            frame: staff
                .frame("/admin/users/", format!("Access of {}", record.user.username))
                .saying(query),
            record,
            seen: seen(record.fingerprint),
            find: find.to_owned(),
            meanwhile: meanwhile.map(in_words),
            groups: Picker::new(
                "groups",
                "Groups",
                "There is no group yet. Make one under Groups.",
                picks.collect(),
                find,
            ),
            permissions: permission_picker(
                &staff.user,
                &all,
                &record.grants.permissions,
                &ticked.permissions,
                find,
            ),
            effective: effective.collect(),
            own_password: (may_change && !staff.is_fresh(admin.clock.now())).then(own_password),
            may_change,
        })
    }
}

/// More are found by searching.
const GROUPS_OFFERED: u32 = 1_000;
