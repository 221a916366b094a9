//! `countersign user …`.

use clap::{Args, Subcommand};
use countersign::password::{EncodedPassword, UserAttributes};
use countersign::store::admin::{Grants, UserAct};
use countersign::token::Purpose;
use countersign::user::{Email, NAME_MAX_CHARS, NewUser, UserId, Username};
use jiff::Timestamp;

use super::new_user_prompt::{NewUserKind, NewUserPrompt};
use super::output::{json, line, note, table};
use super::prompt::{self, Asking};
use super::user_list::ListUsers;
use super::user_set::SetUser;
use super::values::time;
use crate::command_error::CommandError;
use crate::operate::Operator;
use crate::operate::people::{Desk, Invitee, Sent};
use crate::services::{Context, Services, Wanted, called};
use crate::text::to_the_second;

/// Make, invite, list, show, change, activate, deactivate and delete users
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  COUNTERSIGN_PASSWORD=… countersign user create --username alice \
        --email alice@example.com --noinput\n  countersign user list --json"
)]
pub(super) struct Users {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a user; asks for what is missing
    #[command(
        after_help = "Example:\n  COUNTERSIGN_PASSWORD=… countersign user create --username alice \
            --email alice@example.com --noinput"
    )]
    Create(Create),
    /// Make a user who chooses a password by a link, which is mailed, or printed where no mail is
    /// sent; for somebody who has not come yet, a new link
    #[command(
        after_help = "Example:\n  countersign user invite alice@example.com --username alice"
    )]
    Invite(Invite),
    /// Send the mail that proves a user's address once more
    #[command(after_help = "Example:\n  countersign user resend alice")]
    Resend {
        /// The user: name, e-mail address or id (id:7 is never a name)
        user: String,
    },
    /// Take a user's address as proved, or every user's
    #[command(
        after_help = "Example:\n  countersign user verify alice\n  countersign user verify --all \
            --joined-by 2026-11-23T18:18:57Z"
    )]
    Verify(Verify),
    /// Send a user a link with which they choose a new password
    #[command(alias = "reset", after_help = "Example:\n  countersign user send-reset alice")]
    SendReset {
        /// The user: name, e-mail address or id (id:7 is never a name)
        user: String,
    },
    /// List the users, or find some
    #[command(after_help = "Example:\n  countersign user list --json | jq -r '.[].username'\n  \
            countersign user list --search example.com --group editors --limit 20")]
    List(ListUsers),
    /// Show a user
    #[command(after_help = "Example:\n  countersign user show alice@example.com")]
    Show {
        /// The user: name, e-mail address or id (id:7 is never a name)
        user: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change a user's names, address, flags, groups or metadata; what is not named stays
    #[command(after_help = "Example:\n  countersign user set alice --username ada --staff on\n  \
            countersign user set alice --add-group editors --metadata '{\"team\": 7}'")]
    Set(SetUser),
    /// Let a user sign in again
    #[command(after_help = "Example:\n  countersign user activate alice")]
    Activate {
        /// The user: name, e-mail address or id (id:7 is never a name)
        user: String,
    },
    /// Keep a user from signing in, and end the user's sessions
    #[command(after_help = "Example:\n  countersign user deactivate alice")]
    Deactivate {
        /// The user: name, e-mail address or id (id:7 is never a name)
        user: String,
    },
    /// Delete a user, and end the user's sessions
    #[command(after_help = "Example:\n  countersign user delete alice --noinput")]
    Delete {
        /// The user: name, e-mail address or id (id:7 is never a name)
        user: String,
        /// Do not ask whether you are sure
        #[arg(long, alias = "no-input")]
        noinput: bool,
    },
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    new_user: NewUserPrompt,
    /// The first name
    #[arg(long, value_name = "NAME", default_value = "")]
    first_name: String,
    /// The last name
    #[arg(long, value_name = "NAME", default_value = "")]
    last_name: String,
    /// Let the user into the admin site; `createsuperuser` makes one with every permission
    #[arg(long)]
    staff: bool,
    /// Make a user who cannot sign in with a password
    #[arg(long)]
    unusable_password: bool,
    /// Ask nothing; take the password from COUNTERSIGN_PASSWORD
    #[arg(long, alias = "no-input")]
    noinput: bool,
}

#[derive(Debug, Args)]
struct Invite {
    /// The address
    email: String,
    /// The user name; made up unless chosen
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The first name
    #[arg(long, value_name = "NAME", default_value = "")]
    first_name: String,
    /// The last name
    #[arg(long, value_name = "NAME", default_value = "")]
    last_name: String,
    /// The language of the user's mails
    #[arg(long, default_value = "en")]
    language: String,
}

#[derive(Debug, Args)]
struct Verify {
    /// The user: name, e-mail address or id (id:7 is never a name)
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    user: Option<String>,
    /// Take every address as proved that is not; asks, with their number
    #[arg(long)]
    all: bool,
    /// With --all: only of users who were there by this time
    #[arg(long, value_name = "TIME", requires = "all", value_parser = time)]
    joined_by: Option<Timestamp>,
    /// Do not ask whether you are sure
    #[arg(long, alias = "no-input")]
    noinput: bool,
}

impl Users {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        match self.command {
            Command::Create(create) => create.run(context).await,
            Command::Invite(invite) => invite.run(context).await,
            Command::Resend { user } => send(context, &user, Purpose::VerifyEmail).await,
            Command::SendReset { user } => send(context, &user, Purpose::ResetPassword).await,
            Command::Verify(verify) => {
                verify.run(&Services::open(context, Wanted::There).await?).await
            }
            Command::List(list) => list.run(&Services::open(context, Wanted::There).await?).await,
            Command::Set(set) => set.run(&Services::open(context, Wanted::There).await?).await,
            Command::Show { user, json } => {
                show(&Services::open(context, Wanted::There).await?, &user, json).await
            }
            Command::Activate { user } => {
                set_active(&Services::open(context, Wanted::There).await?, &user, true).await
            }
            Command::Deactivate { user } => {
                set_active(&Services::open(context, Wanted::There).await?, &user, false).await
            }
            Command::Delete { user, noinput } => {
                delete(&Services::open(context, Wanted::There).await?, &user, noinput).await
            }
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<(), CommandError> {
        if !self.noinput {
            prompt::need_terminal(
                "use --noinput --username NAME, with the password in COUNTERSIGN_PASSWORD",
            )?;
        }
        let (username, email) =
            self.new_user.names(context, self.noinput, NewUserKind::User).await?;
        let asking = Asking { times: u32::MAX, may_be_weak: context.config.is_on_localhost()? };
        for (what, name) in [("first", &self.first_name), ("last", &self.last_name)] {
            if name.chars().count() > NAME_MAX_CHARS {
                return Err(CommandError::new(format!(
                    "a {what} name has at most {NAME_MAX_CHARS} characters"
                )));
            }
        }
        let about = UserAttributes {
            username: username.as_str(),
            email: email.as_ref().map_or("", Email::as_str),
            first_name: &self.first_name,
            last_name: &self.last_name,
        };
        let judge = context.judge()?;
        let password = match (self.unusable_password, self.noinput) {
            (true, _) => None,
            (false, true) => {
                Some(prompt::password_from(&judge, "COUNTERSIGN_PASSWORD", &about).await?)
            }
            (false, false) => Some(prompt::ask_password(&judge, &about, asking).await?),
        };

        let services = Services::open(context, Wanted::ThereOrNew).await?;
        let encoded = match &password {
            Some(password) => services.passwords()?.hash(password).await?,
            None => EncodedPassword::unusable(),
        };
        let mut new = NewUser::new(username, email, encoded);
        new.email_verified = true; // an operator's word is proof enough
        new.first_name = self.first_name;
        new.last_name = self.last_name;
        new.is_staff = self.staff;
        let user = Operator::shell(&services).add_user(new, &Grants::default()).await?;
        let place = services.place()?;
        line(format!("Made the user {} with the id {} {place}.", user.username, user.id));
        Ok(())
    }
}

impl Invite {
    async fn run(self, context: &Context) -> Result<(), CommandError> {
        let email = Email::parse(&self.email)?;
        let username = self.username.as_deref().map(Username::parse).transpose()?;
        for (what, name) in [("first", &self.first_name), ("last", &self.last_name)] {
            if name.chars().count() > NAME_MAX_CHARS {
                let sentence = format!("a {what} name has at most {NAME_MAX_CHARS} characters");
                return Err(CommandError::new(sentence));
            }
        }
        let services = Services::open(context, Wanted::ThereOrNew).await?;
        let desk = Desk::of(&services).await?;
        let who = Invitee {
            email,
            username,
            first_name: self.first_name,
            last_name: self.last_name,
            language: self.language,
        };
        let operator = Operator::shell(&services);
        let (user, sent) = operator.invite(&services, &desk, who).await?;
        note(format!("The user is {}.", services.place()?));
        let who = called(&user);
        match sent {
            Sent::Queued | Sent::Earlier => {
                line(format!("Invited {who}; a running server sends the mail to {}.", user.email));
            }
            Sent::ByHand(link) => {
                note(format!(
                    "Invited {who}. No mail is sent here (mail_url): give them this \
                     link, with which whoever has it chooses their password."
                ));
                line(link);
            }
        }
        Ok(())
    }
}

async fn send(context: &Context, named: &str, purpose: Purpose) -> Result<(), CommandError> {
    let services = Services::open(context, Wanted::There).await?;
    let user = services.user(named).await?;
    let desk = Desk::of(&services).await?;
    let to = Operator::shell(&services).send_letter(&services, &desk, purpose, &user).await?;
    line(format!("A running server sends the mail for {} to {to}.", called(&user)));
    Ok(())
}

impl Verify {
    async fn run(self, services: &Services) -> Result<(), CommandError> {
        match &self.user {
            Some(named) => verify(services, named).await,
            None => self.verify_all(services).await,
        }
    }

    /// The addresses that were counted are taken, and no others: somebody may register while the
    /// question waits for its answer.
    async fn verify_all(&self, services: &Services) -> Result<(), CommandError> {
        let addresses = self.unproved(services).await?;
        if addresses.is_empty() {
            line("There is no address that is not proved.");
            return Ok(());
        }
        let many = addresses.len();
        let these = if many == 1 { "1 address".to_owned() } else { format!("{many} addresses") };
        if !self.noinput {
            prompt::need_terminal("use --noinput to go on without being asked")?;
            let question = format!("Take {these} as proved that nobody has proved? [y/N]");
            let is_sure = prompt::ask(&question, |answer| Ok(matches!(answer, "y" | "Y" | "yes")))?;
            if !is_sure {
                return Err(CommandError::new("nothing was changed"));
            }
        }
        let (operator, mut proved) = (Operator::shell(services), 0);
        for page in addresses.chunks(PAGE as usize) {
            proved += operator.mark_verified(page).await?;
        }
        line(format!("Proved by your word: {proved} of {these}."));
        if proved < many as u64 {
            note("The others were changed, proved or deleted meanwhile.");
        }
        Ok(())
    }

    async fn unproved(&self, services: &Services) -> Result<Vec<(UserId, String)>, CommandError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = services.store.users(after, PAGE).await?;
            after = page.last().map(|user| user.id);
            let (is_last, by) = (page.len() < PAGE as usize, self.joined_by);
            let waiting = page.into_iter().filter(|user| {
                let is_unproved = !user.email.is_empty() && !user.email_verified;
                is_unproved && by.is_none_or(|by| user.date_joined <= by)
            });
            found.extend(waiting.map(|user| (user.id, user.email)));
            if is_last {
                return Ok(found);
            }
        }
    }
}

async fn verify(services: &Services, named: &str) -> Result<(), CommandError> {
    let user = services.user(named).await?;
    if user.email.is_empty() {
        return Err(CommandError::new(format!("{} has no e-mail address", called(&user))));
    }
    let address = [(user.id, user.email.clone())];
    let is_first = Operator::shell(services).mark_verified(&address).await? == 1;
    line(match is_first {
        true => format!("{} counts as the address of {}.", user.email, called(&user)),
        false => format!("{} of {} counted already.", user.email, called(&user)),
    });
    Ok(())
}

async fn show(services: &Services, named: &str, as_json: bool) -> Result<(), CommandError> {
    let user = services.user(named).await?;
    if as_json {
        return json(&user);
    }
    let rows = serde_json::to_value(&user)?;
    let rows = rows.as_object().into_iter().flatten().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        [name.clone(), value]
    });
    let waits = services.store.registration_of(user.id).await?.into_iter().flat_map(|waits| {
        [
            ["to_be_proved".to_owned(), waits.address],
            ["until".to_owned(), to_the_second(waits.until)],
        ]
    });
    table(["FIELD", "VALUE"], rows.chain(waits));
    Ok(())
}

async fn set_active(services: &Services, named: &str, active: bool) -> Result<(), CommandError> {
    let user = services.user(named).await?;
    let act = if active { UserAct::Activate } else { UserAct::Deactivate };
    Operator::shell(services).act_on_users(&[user.id], act).await?;
    line(match active {
        true => format!("{} may sign in again.", called(&user)),
        false => format!("{} is deactivated; all sessions of this user are ended.", called(&user)),
    });
    Ok(())
}

async fn delete(services: &Services, named: &str, noinput: bool) -> Result<(), CommandError> {
    let user = services.user(named).await?;
    if !noinput {
        prompt::need_terminal("use --noinput to delete without being asked")?;
        let sure = prompt::ask(&format!("Delete {} for good? [y/N]", called(&user)), |answer| {
            Ok(matches!(answer, "y" | "Y" | "yes"))
        })?;
        if !sure {
            return Err(CommandError::new("nothing was deleted"));
        }
    }
    Operator::shell(services).act_on_users(&[user.id], UserAct::Delete).await?;
    line(format!("Deleted {}.", called(&user)));
    Ok(())
}

const PAGE: u32 = 1000;
