//! Without the feature `passkeys` there are none.

use super::{Asked, NewPasskey, NotSigned, PasskeyShown, Signed, Site};
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

    pub(crate) fn ask(&self, _: Vec<Vec<u8>>) -> Option<Asked> {
        match *self {}
    }

    pub(crate) fn signed(
        &self,
        _: &PasskeyShown,
        _: &[u8],
        _: &[u8],
        _: u32,
    ) -> Result<Signed, NotSigned> {
        match *self {}
    }
}
