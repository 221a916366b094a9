//! What a page of the server keeps in a cookie, so that it is of use to that page alone.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::zeroize::Zeroizing;

use super::Secrets;

/// Seals texts for one page and for a time: AES-256-GCM under a key derived from the secret.
pub(crate) struct CookieSeal {
    key: RandomizedNonceKey,
}

impl CookieSeal {
    pub(crate) fn new(secrets: &Secrets) -> Result<Self, CookieSealError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, secrets.cookies());
        Ok(Self { key: key.map_err(|_| CookieSealError)? })
    }

    /// The text as a cookie's value. It is good on `page` before `until`, in seconds since 1970.
    pub(crate) fn seal(
        &self,
        text: &str,
        page: &str,
        until: u64,
    ) -> Result<String, CookieSealError> {
        let mut bytes = Zeroizing::new([&until.to_be_bytes(), text.as_bytes()].concat());
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(page.as_bytes()), &mut *bytes)
            .map_err(|_| CookieSealError)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &bytes].concat()))
    }

    /// What was sealed for the page, if its time is not over.
    pub(crate) fn open(&self, sealed: &str, page: &str, now: u64) -> Option<String> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let opened = self.key.open_in_place(nonce, Aad::from(page.as_bytes()), &mut bytes).ok()?;
        let (until, text) = opened.split_first_chunk::<8>()?;
        let is_good = now < u64::from_be_bytes(*until);
        is_good.then(|| str::from_utf8(text).ok().map(str::to_owned)).flatten()
    }
}

impl fmt::Debug for CookieSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSeal(..)")
    }
}

/// A cookie that cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cookie could not be sealed")]
pub(crate) struct CookieSealError;

const NONCE_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(secret: &str) -> CookieSeal {
        CookieSeal::new(&Secrets::from_text(secret).unwrap()).unwrap()
    }

    #[test]
    fn what_is_sealed_is_good_on_its_page_in_its_time_and_under_its_secret() {
        let ours = of("0123456789abcdef0123456789abcdef");
        let sealed = ours.seal("a.b.c", "security", 1_800).unwrap();
        assert!(!sealed.contains("a.b.c"));
        assert_eq!(ours.open(&sealed, "security", 1_799).as_deref(), Some("a.b.c"));
        assert_eq!(ours.open(&sealed, "security", 1_800), None);
        assert_eq!(ours.open(&sealed, "another", 0), None);
        assert_eq!(of("another secret, another secret, a").open(&sealed, "security", 0), None);
        for bent in ["", "a.b.c", "AAAA", &sealed[..sealed.len() - 2], &format!("{sealed}AA")] {
            assert_eq!(ours.open(bent, "security", 0), None, "{bent}");
        }
    }
}
