//! `countersign user list`.

use std::collections::HashMap;

use clap::Args;
use countersign::store::admin::{UserOrder, UserSearch};
use countersign::user::{User, UserId};

use super::output::{JsonList, note, table};
use crate::command_error::CommandError;
use crate::operate::groups::group_id;
use crate::services::Services;
use crate::text::to_the_second;

#[derive(Debug, Args)]
pub(super) struct ListUsers {
    /// Only users of whom a name or the address holds each of these words, or whose id is one
    #[arg(long, value_name = "TEXT", value_parser = searched)]
    search: Option<String>,
    /// Only members of this group
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// At most so many; all of them unless chosen
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ListUsers {
    /// Page by page, so that a million users need no more memory than a thousand.
    pub(super) async fn run(self, services: &Services) -> Result<(), CommandError> {
        let mut pages = self.pages(services).await?;
        let mut listing = match self.json {
            true => Listing::Json(JsonList::default()),
            false => Listing::Table { rows: Vec::new(), has_begun: false },
        };
        let mut left = self.limit.unwrap_or(u64::MAX);
        while let Some(mut page) = pages.next(services).await? {
            // Whether there are more is known when one of them is met.
            let is_cut = page.len() as u64 > left;
            if is_cut {
                page.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            }
            left -= page.len() as u64;
            listing.add(services, page).await?;
            if is_cut {
                let limit = self.limit.unwrap_or_default();
                note(format!("There are more than {limit}; --limit shows more of them."));
                break;
            }
        }
        listing.end(services).await
    }

    async fn pages(&self, services: &Services) -> Result<Pages, CommandError> {
        // One more than are shown tells whether there are more.
        let limit = self
            .limit
            .map_or(PAGE, |limit| u32::try_from(limit.saturating_add(1)).unwrap_or(PAGE).min(PAGE));
        let text = self.search.as_deref().unwrap_or_default().trim();
        if text.is_empty() && self.group.is_none() {
            return Ok(Pages { asked: Asked::Everybody { after: None, limit }, is_over: false });
        }
        let group = match &self.group {
            Some(name) => {
                let found = group_id(&*services.store, name).await?;
                Some(found.ok_or_else(|| super::no_such_group(name))?)
            }
            None => None,
        };
        // In the order in which they joined, as all are listed.
        let order = UserOrder::Joined;
        let found =
            UserSearch { text: text.to_owned(), group, order, limit, ..UserSearch::default() };
        Ok(Pages { asked: Asked::Found(Box::new(found)), is_over: false })
    }
}

/// The users who are asked for, by pages.
struct Pages {
    asked: Asked,
    is_over: bool,
}

enum Asked {
    Everybody { after: Option<UserId>, limit: u32 },
    Found(Box<UserSearch>),
}

impl Pages {
    /// The next page, which may be empty; `None` behind the last one.
    async fn next(&mut self, services: &Services) -> Result<Option<Vec<User>>, CommandError> {
        if self.is_over {
            return Ok(None);
        }
        match &mut self.asked {
            Asked::Everybody { after, limit } => {
                let page = services.store.users(*after, *limit).await?;
                *after = page.last().map(|user| user.id);
                self.is_over = page.len() < *limit as usize;
                Ok(Some(page))
            }
            Asked::Found(search) => {
                let page = services.store.find_users(search).await?;
                search.from = page.next;
                self.is_over = search.from.is_none();
                Ok(Some(page.rows))
            }
        }
    }
}

enum Listing {
    Json(JsonList),
    /// Where few of many fit, pages have few rows or none: they are printed as one table.
    Table {
        rows: Vec<User>,
        has_begun: bool,
    },
}

impl Listing {
    async fn add(&mut self, services: &Services, users: Vec<User>) -> Result<(), CommandError> {
        match self {
            Self::Json(list) => list.print(&users),
            Self::Table { rows, has_begun } => {
                rows.extend(users);
                if rows.len() >= PAGE as usize {
                    print(services, &std::mem::take(rows)).await?;
                    *has_begun = true;
                }
                Ok(())
            }
        }
    }

    async fn end(self, services: &Services) -> Result<(), CommandError> {
        match self {
            Self::Json(list) => list.end(),
            Self::Table { rows, has_begun } if !rows.is_empty() || !has_begun => {
                print(services, &rows).await?;
            }
            Self::Table { .. } => {}
        }
        Ok(())
    }
}

async fn print(services: &Services, users: &[User]) -> Result<(), CommandError> {
    let waiting = waiting(services, users).await?;
    let yes = |yes: bool| if yes { "yes" } else { "" }.to_owned();
    table(
        ["ID", "USERNAME", "E-MAIL", "ACTIVE", "STAFF", "SUPERUSER", "LAST LOGIN"],
        users.iter().map(|user| {
            [
                user.id.to_string(),
                user.username.clone(),
                waiting.get(&user.id).map_or_else(
                    || user.email.clone(),
                    |address| format!("{address} (to be proved)"),
                ),
                yes(user.is_active),
                yes(user.is_staff),
                yes(user.is_superuser),
                user.last_login.map(to_the_second).unwrap_or_default(),
            ]
        }),
    );
    Ok(())
}

/// The addresses that users without one have to prove.
async fn waiting(
    services: &Services,
    users: &[User],
) -> Result<HashMap<UserId, String>, CommandError> {
    let bare: Vec<UserId> =
        users.iter().filter(|user| user.email.is_empty()).map(|user| user.id).collect();
    let waiting = services.store.registrations_of(&bare).await?;
    Ok(waiting.into_iter().map(|waits| (waits.user, waits.address)).collect())
}

/// An address may have 254 characters, and nothing longer is looked for on the admin site.
fn searched(text: &str) -> Result<String, String> {
    if text.chars().count() > SEARCH_MAX_CHARS {
        return Err("it is too long; write a part of a name or an address".to_owned());
    }
    Ok(text.to_owned())
}

const SEARCH_MAX_CHARS: usize = 254;

/// Rows that are read, and printed, at once.
const PAGE: u32 = 1_000;
