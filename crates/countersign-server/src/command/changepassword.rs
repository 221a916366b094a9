//! `countersign changepassword`.

use clap::Args;
use countersign::password::UserAttributes;
use countersign::store::admin::AdminError;

use super::output::{line, note};
use super::prompt::{self, Asking};
use crate::command_error::CommandError;
use crate::operate::Operator;
use crate::services::{Context, Services, Wanted, called};

/// Set a user's password, and end the user's sessions
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign changepassword alice\n  COUNTERSIGN_PASSWORD=… \
        countersign changepassword alice --noinput")]
pub(super) struct ChangePassword {
    /// The user: name, e-mail address or id (id:7 is never a name)
    user: String,
    /// Ask nothing; take the password from COUNTERSIGN_PASSWORD
    #[arg(long, alias = "no-input")]
    noinput: bool,
}

impl ChangePassword {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        if !self.noinput {
            prompt::need_terminal("use --noinput, with the password in COUNTERSIGN_PASSWORD")?;
        }
        let services = Services::open(context, Wanted::There).await?;
        let user = services.user(&self.user).await?;
        let about = UserAttributes {
            username: &user.username,
            email: &user.email,
            first_name: &user.first_name,
            last_name: &user.last_name,
        };
        let asking = Asking { times: 3, may_be_weak: context.config.is_on_localhost()? };
        if !self.noinput {
            note(format!("A new password for {}:", called(&user)));
        }
        let judge = context.judge()?;
        let password = if self.noinput {
            prompt::password_from(&judge, "COUNTERSIGN_PASSWORD", &about).await?
        } else {
            prompt::ask_password(&judge, &about, asking).await?
        };

        let encoded = services.passwords()?.hash(&password).await?;
        let post = super::post_or_note(&services).await;
        let operator = Operator::shell(&services);
        match operator.set_password(&user, &encoded, post.as_ref(), &*services.random).await {
            Err(AdminError::Gone) => {
                return Err(CommandError::new("the user was deleted meanwhile"));
            }
            other => other?,
        }
        line(format!(
            "Changed the password of {} and ended all sessions of this user.",
            called(&user)
        ));
        Ok(())
    }
}
