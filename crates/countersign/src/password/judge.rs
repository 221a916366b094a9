//! Whether a new password does: the validators, and lists of breached ones.

use std::fmt;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;

use super::validators::{PasswordProblem, UserAttributes, validate};
use super::{BreachedPasswords, Password, Sha1};

/// Somebody who knows which passwords were found in breaches: a [file](BreachedPasswords), or a
/// service.
///
/// ```
/// use countersign::password::{BreachedList, Sha1};
///
/// /// Our own list, of three.
/// #[derive(Debug)]
/// struct Leaked([Sha1; 3]);
///
/// #[async_trait::async_trait]
/// impl BreachedList for Leaked {
///     async fn contains(&self, password: Sha1) -> std::io::Result<bool> {
///         Ok(self.0.contains(&password))
///     }
/// }
/// ```
#[async_trait]
pub trait BreachedList: fmt::Debug + Send + Sync + 'static {
    /// Whether the password with this hash was found in a breach.
    ///
    /// # Errors
    /// When that cannot be known now. The password then counts as one that was not found.
    async fn contains(&self, password: Sha1) -> io::Result<bool>;
}

/// On a thread that may wait for the disk.
#[async_trait]
impl BreachedList for Arc<BreachedPasswords> {
    async fn contains(&self, password: Sha1) -> io::Result<bool> {
        let file = Arc::clone(self);
        tokio::task::spawn_blocking(move || BreachedPasswords::contains(&file, &password))
            .await
            .map_err(io::Error::other)?
    }
}

#[async_trait]
impl BreachedList for Arc<dyn BreachedList> {
    async fn contains(&self, password: Sha1) -> io::Result<bool> {
        (**self).contains(password).await
    }
}

/// Judges new passwords.
///
/// ```
/// use countersign::password::{Judge, Password, UserAttributes};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let about = UserAttributes { username: "ada", ..UserAttributes::default() };
/// let good = Password::parse("tin kettle 14".to_owned()).unwrap();
/// assert!(Judge::default().judge(&good, &about).await.is_empty());
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct Judge {
    lists: Vec<Arc<dyn BreachedList>>,
}

impl Judge {
    /// One who asks these lists as well, one after the other, until one has the password.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use countersign::password::{BreachedPasswords, BreachedWriter, Judge, Password, Sha1};
    /// use countersign::password::UserAttributes;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("breached.filter");
    /// let leaked = Password::parse("tin kettle 14".to_owned()).unwrap();
    /// # let mut writer = BreachedWriter::create(&path, 1).unwrap();
    /// # writer.add(&Sha1::of(&leaked)).unwrap();
    /// # writer.finish().unwrap();
    /// let file = Arc::new(BreachedPasswords::open(&path).unwrap());
    /// let judge = Judge::asking([Arc::new(file) as _]);
    /// let problems = judge.judge(&leaked, &UserAttributes::default()).await;
    /// assert_eq!(problems[0].code(), "password_breached");
    /// # });
    /// ```
    #[must_use]
    pub fn asking(lists: impl IntoIterator<Item = Arc<dyn BreachedList>>) -> Self {
        Self { lists: lists.into_iter().collect() }
    }

    /// Everything that is wrong with a new password. The lists are asked where nothing else is. One
    /// that gives no answer has nothing against the password.
    ///
    /// ```
    /// use countersign::password::{Judge, Password, UserAttributes};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let digits = Password::parse("20260101".to_owned()).unwrap();
    /// let problems = Judge::default().judge(&digits, &UserAttributes::default()).await;
    /// assert_eq!(problems[0].code(), "password_entirely_numeric");
    /// # });
    /// ```
    pub async fn judge(&self, new: &Password, about: &UserAttributes<'_>) -> Vec<PasswordProblem> {
        if let Err(problems) = validate(new.expose(), about) {
            return problems;
        }
        let hash = Sha1::of(new);
        for list in &self.lists {
            match list.contains(hash).await {
                Ok(true) => return vec![PasswordProblem::Breached],
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "whether a new password was breached is not known; it \
                        was taken");
                }
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Away;

    #[async_trait]
    impl BreachedList for Away {
        async fn contains(&self, _: Sha1) -> io::Result<bool> {
            Err(io::Error::other("nobody is there"))
        }
    }

    #[derive(Debug)]
    struct Everything;

    #[async_trait]
    impl BreachedList for Everything {
        async fn contains(&self, _: Sha1) -> io::Result<bool> {
            Ok(true)
        }
    }

    #[tokio::test]
    async fn a_list_that_gives_no_answer_has_nothing_against_it_and_the_next_is_asked() {
        let password = Password::parse("tin kettle 14".to_owned()).unwrap();
        let about = UserAttributes::default();
        let judge = Judge::asking([Arc::new(Away) as Arc<dyn BreachedList>]);
        assert!(judge.judge(&password, &about).await.is_empty());
        let judge = Judge::asking([Arc::new(Away) as Arc<dyn BreachedList>, Arc::new(Everything)]);
        assert_eq!(judge.judge(&password, &about).await, [PasswordProblem::Breached]);
    }

    #[tokio::test]
    async fn a_password_that_does_not_do_anyway_is_looked_up_nowhere() {
        let judge = Judge::asking([Arc::new(Everything) as Arc<dyn BreachedList>]);
        let short = Password::parse("tin".to_owned()).unwrap();
        let problems = judge.judge(&short, &UserAttributes::default()).await;
        assert_eq!(problems, [PasswordProblem::TooShort]);
    }
}
