//! `countersign user set`.

use std::io::{self, Read};

use clap::{ArgGroup, Args};
use countersign::store::admin::{AdminError, UserEdit, UserRecord};
use countersign::user::{Email, NAME_MAX_CHARS, User, Username, fold_address};
use serde_json::{Map, Value};

use super::output::line;
use super::values::on_or_off;
use crate::command_error::CommandError;
use crate::operate::Operator;
use crate::operate::groups::group_id;
use crate::services::Services;
use crate::text::holds_nul;

#[derive(Debug, Args)]
// All of them in the usage would be four lines.
#[command(override_usage = "countersign user set [OPTIONS] <USER>")]
#[command(group(ArgGroup::new("change").required(true).multiple(true).args([
    "username", "email", "first_name", "last_name", "active", "staff", "superuser", "add_groups",
    "remove_groups", "metadata",
])))]
pub(super) struct SetUser {
    /// The user: name, e-mail address or id (id:7 is never a name)
    user: String,
    /// The login name
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The e-mail address; an empty one for none
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The first name
    #[arg(long, value_name = "NAME")]
    first_name: Option<String>,
    /// The last name
    #[arg(long, value_name = "NAME")]
    last_name: Option<String>,
    /// Whether they may sign in at all; off ends their sessions
    #[arg(long, value_name = "ON|OFF", value_parser = on_or_off())]
    active: Option<bool>,
    /// Whether they may enter the admin site
    #[arg(long, value_name = "ON|OFF", value_parser = on_or_off())]
    staff: Option<bool>,
    /// Whether they have every permission
    #[arg(long, value_name = "ON|OFF", value_parser = on_or_off())]
    superuser: Option<bool>,
    /// Put them into this group; may be given several times
    #[arg(long = "add-group", value_name = "NAME")]
    add_groups: Vec<String>,
    /// Take them out of this group; may be given several times
    #[arg(long = "remove-group", value_name = "NAME")]
    remove_groups: Vec<String>,
    /// Metadata of yours in the place of all that is there: a JSON object; - for the standard input
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
}

impl SetUser {
    pub(super) async fn run(self, services: &Services) -> Result<(), CommandError> {
        let user = services.user(&self.user).await?;
        let metadata = self.metadata.as_deref().map(metadata).transpose()?;
        let (add, remove) = (
            ids_of(services, &self.add_groups).await?,
            ids_of(services, &self.remove_groups).await?,
        );
        if let Some(name) = self.add_groups.iter().find(|name| self.remove_groups.contains(name)) {
            return Err(CommandError::new(format!(
                "the group {name:?} is to be added and to be removed; name it once"
            )));
        }
        let operator = Operator::shell(services);
        let mut tries = 0;
        let (before, after) = loop {
            let gone = || CommandError::new("the user was deleted meanwhile");
            let before = services.store.user_record(user.id).await?.ok_or_else(gone)?;
            let mut edit = self.edit(&before, metadata.as_ref())?;
            let mut grants = before.grants.clone();
            grants.groups.extend(&add);
            grants.groups.retain(|id| !remove.contains(id));
            grants.groups.sort_unstable();
            grants.groups.dedup();
            edit.grants = Some(grants);
            let address = edit.email.as_ref().map_or("", Email::as_str);
            let post = if fold_address(address) == fold_address(&before.user.email) {
                None
            } else {
                super::post_or_note(services).await
            };
            let (seen, random) = (before.fingerprint, &*services.random);
            let done = operator.edit_user(&before.user, &edit, seen, post.as_ref(), random).await;
            tries += 1;
            match done {
                // What is not named is to stay as the other one left it: it is read again.
                Err(AdminError::Stale) if tries < MOST_TRIES => {}
                Err(AdminError::Stale) => {
                    return Err(CommandError::new(
                        "others change this user all the time; nothing was changed, try again",
                    ));
                }
                Err(AdminError::Gone) => {
                    return Err(CommandError::new(
                        "the user or one of the groups was deleted meanwhile; nothing was changed",
                    ));
                }
                done => break (before.user, done?),
            }
        };
        line(said(&before, &after));
        Ok(())
    }

    fn edit(
        &self,
        before: &UserRecord,
        metadata: Option<&Map<String, Value>>,
    ) -> Result<UserEdit, CommandError> {
        let user = &before.user;
        // A name or an address that is there may stay, even if it would not be taken today.
        let username = self.username.as_deref().map(str::trim);
        let username = username.filter(|name| *name != user.username).map(Username::parse);
        let email = match self.email.as_deref().map(str::trim) {
            Some("") => None,
            Some(text) if text != user.email => Some(Email::parse(text)?),
            _ if user.email.is_empty() => None,
            _ => Some(Email::parse(&user.email).map_err(|_| {
                CommandError::new(format!(
                    "the address {} came from elsewhere and would not be taken today; give another \
                     one with --email, or an empty one",
                    user.email
                ))
            })?),
        };
        Ok(UserEdit {
            username: username.transpose()?,
            email,
            first_name: name("first", self.first_name.as_deref(), &user.first_name)?,
            last_name: name("last", self.last_name.as_deref(), &user.last_name)?,
            is_active: self.active.unwrap_or(user.is_active),
            is_staff: self.staff.unwrap_or(user.is_staff),
            is_superuser: self.superuser.unwrap_or(user.is_superuser),
            grants: None,
            metadata: metadata.unwrap_or(&user.metadata).clone(),
        })
    }
}

/// What became of it, in a sentence or two.
fn said(before: &User, after: &User) -> String {
    let fields = [
        ("username", before.username != after.username),
        ("email", before.email != after.email),
        ("first_name", before.first_name != after.first_name),
        ("last_name", before.last_name != after.last_name),
        ("is_active", before.is_active != after.is_active),
        ("is_staff", before.is_staff != after.is_staff),
        ("is_superuser", before.is_superuser != after.is_superuser),
        ("groups", before.groups != after.groups),
        ("metadata", before.metadata != after.metadata),
    ];
    let changed: Vec<_> = fields.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    if changed.is_empty() {
        return format!("{} (id {}) was so already.", after.username, after.id);
    }
    let ended = match before.is_active && !after.is_active {
        true => " All sessions of this user are ended.",
        false => "",
    };
    format!("Changed {} (id {}): {}.{ended}", after.username, after.id, changed.join(", "))
}

fn name(which: &str, given: Option<&str>, had: &str) -> Result<String, CommandError> {
    let Some(given) = given.map(str::trim).filter(|given| *given != had) else {
        return Ok(had.to_owned());
    };
    if given.chars().count() > NAME_MAX_CHARS {
        return Err(CommandError::new(format!(
            "a {which} name has at most {NAME_MAX_CHARS} characters"
        )));
    }
    Ok(given.to_owned())
}

async fn ids_of(services: &Services, names: &[String]) -> Result<Vec<i64>, CommandError> {
    let mut ids = Vec::with_capacity(names.len());
    for name in names {
        let found = group_id(&*services.store, name).await?;
        ids.push(found.ok_or_else(|| super::no_such_group(name))?);
    }
    Ok(ids)
}

fn metadata(text: &str) -> Result<Map<String, Value>, CommandError> {
    let mut from_input = String::new();
    let text = if text == "-" {
        io::stdin().lock().take(METADATA_MAX_BYTES + 1).read_to_string(&mut from_input)?;
        from_input.as_str()
    } else {
        text
    };
    if text.len() as u64 > METADATA_MAX_BYTES {
        return Err(CommandError::new("the metadata is longer than 64 KiB; keep it elsewhere"));
    }
    match serde_json::from_str(text) {
        Ok(metadata) if holds_nul(&metadata) => Err(CommandError::new(
            "a text in the metadata holds a NUL character, which not every database can keep; \
             leave it out",
        )),
        Ok(Value::Object(metadata)) => Ok(metadata),
        Ok(_) => Err(CommandError::new("the metadata is JSON, but no object; write {…}")),
        Err(error) => Err(CommandError::new(format!("the metadata is no JSON: {error}"))),
    }
}

/// What the admin site and the management API take at most.
const METADATA_MAX_BYTES: u64 = 64 * 1024;

/// How often a change begins anew that somebody else's came before.
const MOST_TRIES: u32 = 32;
