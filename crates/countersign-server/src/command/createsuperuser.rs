//! `countersign createsuperuser`.

use clap::Args;
use countersign::password::UserAttributes;
use countersign::store::admin::Grants;
use countersign::user::{Email, NewUser};

use super::new_user_prompt::{NewUserKind, NewUserPrompt};
use super::output::line;
use super::prompt::{self, Asking};
use crate::command_error::CommandError;
use crate::operate::Operator;
use crate::services::{Context, Services, Wanted};

/// Make a superuser
///
/// Asks for what is missing, the password twice and unseen.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign createsuperuser\n  COUNTERSIGN_SUPERUSER_PASSWORD=… \
        countersign createsuperuser --noinput --username root --email root@example.com"
)]
pub(super) struct CreateSuperuser {
    #[command(flatten)]
    new_user: NewUserPrompt,
    /// Ask nothing; take the password from COUNTERSIGN_SUPERUSER_PASSWORD
    #[arg(long, alias = "no-input")]
    noinput: bool,
}

impl CreateSuperuser {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        if !self.noinput {
            prompt::need_terminal(
                "use --noinput --username NAME --email ADDRESS, with the password in \
                 COUNTERSIGN_SUPERUSER_PASSWORD",
            )?;
        }
        let (username, email) =
            self.new_user.names(context, self.noinput, NewUserKind::Superuser).await?;
        let asking = Asking { times: u32::MAX, may_be_weak: context.config.is_on_localhost()? };
        let about = UserAttributes {
            username: username.as_str(),
            email: email.as_ref().map_or("", Email::as_str),
            ..UserAttributes::default()
        };
        let judge = context.judge()?;
        let password = if self.noinput {
            prompt::password_from(&judge, "COUNTERSIGN_SUPERUSER_PASSWORD", &about).await?
        } else {
            prompt::ask_password(&judge, &about, asking).await?
        };

        let services = Services::open(context, Wanted::ThereOrNew).await?;
        let encoded = services.passwords()?.hash(&password).await?;
        let mut new = NewUser::new(username, email, encoded);
        new.email_verified = true; // an operator's word is proof enough
        new.is_staff = true;
        new.is_superuser = true;
        let user = Operator::shell(&services).add_user(new, &Grants::default()).await?;
        let place = services.place()?;
        line(format!("Made the superuser {} with the id {} {place}.", user.username, user.id));
        Ok(())
    }
}
