//! `/account/verify`: an address is proved.

use axum::response::Response;
use countersign::Shown;
use countersign::http::Problem;

use super::{CURRENT, Field, Page, Sent, Visit};

pub(super) async fn page(visit: Visit, sent: Sent) -> Response {
    // What is wrong with a link is told when the form is sent, as on every page.
    let asks = async || -> Result<bool, Problem> {
        let shown = Shown::link(&sent.token)?;
        Ok(!visit.auth.registered_in(&shown, &visit.headers).await?)
    };
    prove(&visit, &sent.token, asks().await.unwrap_or(true), "")
}

pub(super) async fn send(visit: Visit, sent: Sent) -> Result<Response, Problem> {
    let Ok(password) = sent.known_password() else {
        return Ok(prove(&visit, &sent.token, true, WRONG));
    };
    let shown = Shown::link(&sent.token)?;
    let is_here = visit.auth.registered_in(&shown, &visit.headers).await?;
    let (password, headers) = (password.as_ref(), &visit.headers);
    let proved = visit.auth.verify_email(&shown, password, headers, &visit.peer).await;
    let login = match proved {
        Ok(login) => login,
        Err(problem) => {
            visit.refusal(Err(problem))?;
            return Ok(prove(&visit, &sent.token, true, WRONG));
        }
    };
    if let Some(login) = login {
        return Ok(visit.logged_in(CONFIRMED, login));
    }
    if is_here {
        return Ok(visit.done(CONFIRMED, "You may go on in the app."));
    }
    Ok(visit.show(&Page {
        title: CONFIRMED,
        text: &[
            "Log in where you registered.",
            "If your password is not taken there, choose a new one: somebody else may have \
             registered with your address before you confirmed it.",
        ],
        next: "reset",
        next_says: "Choose a new password",
        ..Page::default()
    }))
}

/// The form: in the browser that registered it does not ask for the password.
fn prove(visit: &Visit, token: &str, asks: bool, problem: &str) -> Response {
    let help = "Without it the password must be chosen anew.";
    let fields = [Field {
        required: false,
        ..Field::password("password", "The password of your registration", CURRENT, help)
    }];
    visit.show(&Page {
        title: "Confirm your address",
        text: &["Somebody, probably you, registered with your address."],
        problem,
        action: "verify",
        token,
        fields: if asks { &fields } else { &[] },
        button: "Confirm",
        ..Page::default()
    })
}

const CONFIRMED: &str = "Your address is confirmed";
const WRONG: &str = "This is not the password of your registration.";
