//! The ceremonies of WebAuthn, by `webauthn-rs`.
//!
//! What the library keeps of a login between its two requests is the same for each of them but for
//! the challenge. So it is made once, and with the [challenge] that comes back it is whole again.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use webauthn_rs::prelude::{
    Credential, DiscoverableAuthentication, Passkey, PasskeyRegistration, Uuid, Webauthn,
    WebauthnBuilder, WebauthnError,
};

use super::challenge::Challenges;
use super::{
    Answered, Asked, CHALLENGE_SECONDS, Handles, NewPasskey, NotSigned, PasskeyShown, Signed, Site,
    challenge_id,
};
use crate::clock::{Random, seconds};
use crate::factor::FactorId;
use crate::token::Secrets;
use crate::user::UserId;

/// Asks for passkeys, and checks what browsers answer.
pub(crate) struct Passkeys {
    webauthn: Webauthn,
    handles: Handles,
    challenges: Challenges,
    /// What a browser is asked for that shall log in, but for the challenge and the passkeys.
    options: Value,
    /// What its answer is checked against, but for the challenge.
    state: Value,
}

impl Passkeys {
    /// `None` where there can be none: the site has no domain.
    pub(crate) fn new(site: &Site<'_>, secrets: &Secrets) -> Option<Self> {
        let builder = WebauthnBuilder::new(site.rp_id?, site.url).ok()?.rp_name(site.name);
        let builder = site.origins.iter().fold(builder, WebauthnBuilder::append_allowed_origin);
        let webauthn = builder.build().ok()?;
        let asked = webauthn.start_discoverable_authentication();
        let (options, state) = asked.inspect_err(log).ok()?;
        let options = serde_json::to_value(options.public_key).ok()?;
        let state = serde_json::to_value(state).ok()?;
        let (handles, challenges) = (Handles::new(secrets), Challenges::new(secrets, site.server));
        Some(Self { webauthn, handles, challenges, options, state })
    }

    /// Whether a handle is this user's.
    pub(crate) fn is_of(&self, user: UserId, handle: &[u8]) -> bool {
        handle == self.handles.of(user)
    }

    /// Asks for a new passkey of a user, which is none of those that they have.
    pub(crate) fn register(
        &self,
        user: UserId,
        name: &str,
        display_name: &str,
        had: Vec<Vec<u8>>,
    ) -> Option<Asked> {
        let handle = Uuid::from_bytes(self.handles.of(user));
        let asked = self.webauthn.start_passkey_registration(handle, name, display_name, Some(had));
        let (options, state) = asked.inspect_err(log).ok()?;
        let challenge = challenge_id(&options.public_key.challenge)?;
        let mut options = serde_json::to_value(options.public_key).ok()?;
        // It must be found without a name, at the first step of a login.
        options["authenticatorSelection"]["residentKey"] = json!("required");
        options["authenticatorSelection"]["requireResidentKey"] = json!(true);
        Some(Asked { options, challenge, state: serde_json::to_vec(&state).ok()? })
    }

    /// Checks what a browser answers to that.
    pub(crate) fn made(&self, shown: PasskeyShown, state: &[u8]) -> Result<NewPasskey, NotSigned> {
        let state: PasskeyRegistration = read(serde_json::from_slice(state))?;
        let answer = read(serde_json::from_value(shown.json))?;
        let passkey = self.webauthn.finish_passkey_registration(&answer, &state)?;
        let record = read(serde_json::to_vec(&passkey))?;
        let credential = Credential::from(passkey);
        Ok(NewPasskey {
            record,
            credential: credential.cred_id.clone(),
            signed: Signed {
                count: credential.counter,
                is_backed_up: credential.backup_state,
                is_in_hardware: !credential.backup_eligible,
                is_user_verified: credential.user_verified,
            },
        })
    }

    /// Asks for a signature of one of these passkeys, or of any that the user chooses.
    pub(crate) fn ask(&self, random: &dyn Random, of: Vec<Vec<u8>>, now: Timestamp) -> Value {
        let id = FactorId::draw_in_order(random, now);
        let challenge = self.challenges.draw(id, random, seconds(now) + CHALLENGE_SECONDS);
        let mut options = self.options.clone();
        options["challenge"] = Value::String(URL_SAFE_NO_PAD.encode(challenge));
        let named = |id| json!({"type": "public-key", "id": URL_SAFE_NO_PAD.encode::<Vec<u8>>(id)});
        options["allowCredentials"] = Value::Array(of.into_iter().map(named).collect());
        options
    }

    /// Checks the signature of the passkey with this record, whose last count was `count`. That the
    /// challenge was not used before is not known here.
    pub(crate) fn signed(
        &self,
        shown: &PasskeyShown,
        record: &[u8],
        count: u32,
        now: u64,
    ) -> Result<(Signed, Answered), NotSigned> {
        let until = self.challenges.check(&shown.asked, now);
        let until = until.ok_or_else(|| NotSigned::Wrong(NOT_ASKED.to_owned()))?;
        let mut state = self.state.clone();
        state["ast"]["challenge"] = Value::String(URL_SAFE_NO_PAD.encode(&shown.asked));
        let state: DiscoverableAuthentication = read(serde_json::from_value(state))?;
        let passkey: Passkey = read(serde_json::from_slice(record))?;
        let credential = Credential { counter: count, ..Credential::from(passkey) };
        let key = Passkey::from(credential);
        let answer = read(serde_json::from_value(shown.json.clone()))?;
        let signed = self.webauthn.finish_discoverable_authentication_v2(&answer, state, &key)?;
        let said = Signed {
            count: signed.counter(),
            is_backed_up: signed.backup_state(),
            is_in_hardware: !signed.backup_eligible(),
            is_user_verified: signed.user_verified(),
        };
        Ok((said, Answered { challenge: shown.challenge, until }))
    }
}

const NOT_ASKED: &str = "its challenge is none of ours, or too old";

impl fmt::Debug for Passkeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passkeys(..)")
    }
}

impl From<WebauthnError> for NotSigned {
    fn from(error: WebauthnError) -> Self {
        match error {
            WebauthnError::CredentialPossibleCompromise => Self::Copied,
            other => Self::Wrong(other.to_string()),
        }
    }
}

fn read<T>(read: Result<T, serde_json::Error>) -> Result<T, NotSigned> {
    read.map_err(|error| NotSigned::Wrong(error.to_string()))
}

fn log(error: &WebauthnError) {
    tracing::error!(%error, "a passkey could not be asked for");
}
