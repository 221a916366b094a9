//! Without the feature `passkeys` there are none.

use jiff::Timestamp;
use serde_json::Value;

use super::{Answered, Asked, NewPasskey, NotSigned, PasskeyShown, Signed, Site};
use crate::clock::Random;
use crate::token::Secrets;
use crate::user::UserId;

/// Nothing is one.
#[derive(Debug)]
pub(crate) enum Passkeys {}

impl Passkeys {
    pub(crate) fn new(_: &Site<'_>, _: &Secrets) -> Option<Self> {
        None
    }

    pub(crate) fn is_of(&self, _: UserId, _: &[u8]) -> bool {
        match *self {}
    }

    pub(crate) fn register(&self, _: UserId, _: &str, _: &str, _: Vec<Vec<u8>>) -> Option<Asked> {
        match *self {}
    }

    pub(crate) fn made(&self, _: PasskeyShown, _: &[u8]) -> Result<NewPasskey, NotSigned> {
        match *self {}
    }

    pub(crate) fn ask(&self, _: &dyn Random, _: Vec<Vec<u8>>, _: Timestamp) -> Value {
        match *self {}
    }

    pub(crate) fn signed(
        &self,
        _: &PasskeyShown,
        _: &[u8],
        _: u32,
        _: u64,
    ) -> Result<(Signed, Answered), NotSigned> {
        match *self {}
    }
}
