//! Finds permissions that nobody can ever have, or that keep nobody out, before the first request.

use std::collections::BTreeSet;

use super::Permission;

/// What a permission is made of: facts about a request, joined by and, or, not.
///
/// ```
/// use countersign_verify::permission::{Ask, Denied, Permission, Rule, consistent};
///
/// #[derive(Debug)]
/// struct HasBadge(bool);
///
/// impl Permission for HasBadge {
///     fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
///         if ask.request.headers.contains_key("x-badge") == self.0 {
///             Ok(())
///         } else {
///             Err(Denied::new("HasBadge"))
///         }
///     }
///     fn rule(&self) -> Rule {
///         let badge = Rule::fact("a badge");
///         if self.0 { badge } else { badge.negated() }
///     }
/// }
///
/// assert!(consistent(&HasBadge(true)).is_ok());
/// assert!(consistent(&HasBadge(true).and(HasBadge(false))).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule(Node);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Fact(String),
    All(Vec<Rule>),
    Any(Vec<Rule>),
    Not(Box<Rule>),
}

impl Rule {
    /// Something that is true of some requests. The same words are the same fact.
    ///
    /// ```
    /// use countersign_verify::permission::Rule;
    ///
    /// assert_eq!(Rule::fact("a badge"), Rule::fact("a badge"));
    /// assert_ne!(Rule::fact("a badge"), Rule::fact("a key"));
    /// ```
    pub fn fact(words: impl Into<String>) -> Self {
        Self(Node::Fact(words.into()))
    }

    /// A permission of which nothing more is known.
    pub(super) fn custom(words: String) -> Self {
        Self::fact(words)
    }

    /// True of every request.
    ///
    /// ```
    /// use countersign_verify::permission::{AllowAny, Permission, Rule};
    ///
    /// assert_eq!(AllowAny.rule(), Rule::everybody());
    /// ```
    pub fn everybody() -> Self {
        Self(Node::All(Vec::new()))
    }

    /// True of no request.
    ///
    /// ```
    /// use countersign_verify::permission::{Permission, RecentLogin, Rule};
    ///
    /// assert_eq!(RecentLogin(0).rule(), Rule::nobody());
    /// ```
    pub fn nobody() -> Self {
        Self(Node::Any(Vec::new()))
    }

    /// True when all of these are.
    ///
    /// ```
    /// use countersign_verify::permission::{IsAuthenticated, IsStaff, Permission, Rule};
    ///
    /// assert_eq!(IsStaff.rule(), Rule::all([IsAuthenticated.rule(), Rule::fact("IsStaff")]));
    /// ```
    pub fn all(rules: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::All(rules.into_iter().collect()))
    }

    /// True when one of these is.
    ///
    /// ```
    /// use countersign_verify::permission::{InGroup, IsStaff, Permission, Rule};
    ///
    /// assert_eq!(
    ///     IsStaff.or(InGroup("editors")).rule(),
    ///     Rule::any([IsStaff.rule(), InGroup("editors").rule()])
    /// );
    /// ```
    pub fn any(rules: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::Any(rules.into_iter().collect()))
    }

    /// True when this is not.
    ///
    /// ```
    /// use countersign_verify::permission::{IsStaff, Permission};
    ///
    /// assert_eq!(IsStaff.not().rule(), IsStaff.rule().negated());
    /// ```
    #[must_use]
    pub fn negated(self) -> Self {
        Self(Node::Not(Box::new(self)))
    }

    fn facts<'a>(&'a self, into: &mut BTreeSet<&'a str>) {
        match &self.0 {
            Node::Fact(words) => {
                into.insert(words);
            }
            Node::All(rules) | Node::Any(rules) => rules.iter().for_each(|rule| rule.facts(into)),
            Node::Not(rule) => rule.facts(into),
        }
    }

    fn holds(&self, is_true: &impl Fn(&str) -> bool) -> bool {
        match &self.0 {
            Node::Fact(words) => is_true(words),
            Node::All(rules) => rules.iter().all(|rule| rule.holds(is_true)),
            Node::Any(rules) => rules.iter().any(|rule| rule.holds(is_true)),
            Node::Not(rule) => !rule.holds(is_true),
        }
    }
}

/// A permission that contradicts itself.
///
/// ```
/// use countersign_verify::permission::{Contradiction, IsStaff, Permission, consistent};
///
/// let nobody = consistent(&IsStaff.and(IsStaff.not())).unwrap_err();
/// assert_eq!(nobody, Contradiction::Nobody("And(IsStaff, Not(IsStaff))".into()));
/// let everybody = consistent(&IsStaff.or(IsStaff.not())).unwrap_err();
/// assert!(everybody.to_string().ends_with("write AllowAny if that is meant"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Contradiction {
    /// Nobody can ever have it.
    #[error(
        "the permission {0} can never be given to anybody, because its parts contradict each \
         other; take one of them out"
    )]
    Nobody(String),
    /// It lets everybody in, and does not look so.
    #[error(
        "the permission {0} lets everybody in, because its parts contradict each other; write \
         AllowAny if that is meant"
    )]
    Everybody(String),
}

/// Refuses a permission that nobody can have, or that keeps nobody out without being `AllowAny`.
///
/// # Errors
/// [`Contradiction`], with the permission in it.
///
/// ```
/// use countersign_verify::permission::{self, IsStaff, Permission};
///
/// assert!(permission::consistent(&IsStaff.and(IsStaff.not())).is_err());
/// ```
pub fn consistent(permission: &(impl Permission + ?Sized)) -> Result<(), Contradiction> {
    let rule = permission.rule();
    if rule == Rule::everybody() {
        return Ok(());
    }
    let mut facts = BTreeSet::new();
    rule.facts(&mut facts);
    let facts: Vec<&str> = facts.into_iter().collect();
    if facts.len() > MOST_FACTS {
        return Ok(());
    }
    let (mut somebody, mut not_all) = (false, false);
    for truth in 0..1_u32 << facts.len() {
        let holds = rule.holds(&|words| {
            facts.iter().position(|fact| *fact == words).is_some_and(|at| truth >> at & 1 == 1)
        });
        somebody |= holds;
        not_all |= !holds;
    }
    match (somebody, not_all) {
        (false, _) => Err(Contradiction::Nobody(format!("{permission:?}"))),
        (_, false) => Err(Contradiction::Everybody(format!("{permission:?}"))),
        _ => Ok(()),
    }
}

/// Every combination of truths is tried: 4,096 of twelve. What is made of more is taken as it is.
const MOST_FACTS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::{
        AllowAny, HasPerm, InGroup, IsAuthenticated, IsAuthenticatedOrReadOnly, IsStaff,
        IsSuperuser, RecentLogin,
    };

    #[test]
    fn what_nobody_can_ever_have_is_refused() {
        let nobody = |result| matches!(result, Err(Contradiction::Nobody(_)));
        assert!(nobody(consistent(&IsStaff.and(IsStaff.not()))));
        assert!(nobody(consistent(&AllowAny.not())));
        assert!(nobody(consistent(&IsStaff.and(IsAuthenticated.not()))));
        assert!(
            nobody(consistent(&IsSuperuser.and(HasPerm("a.b").not()))),
            "a superuser has every permission"
        );
        assert!(nobody(consistent(&IsAuthenticated.and(IsAuthenticatedOrReadOnly.not()))));
        assert!(nobody(consistent(&RecentLogin(0))), "no login is that recent");
        assert!(nobody(consistent(
            &InGroup("a").and(IsStaff.or(IsSuperuser)).and(InGroup("a").not())
        )));
    }

    #[test]
    fn what_keeps_nobody_out_must_be_called_allow_any() {
        let everybody = |result| matches!(result, Err(Contradiction::Everybody(_)));
        assert!(everybody(consistent(&IsStaff.or(IsStaff.not()))));
        assert!(everybody(consistent(&AllowAny.or(IsStaff))));
        assert_eq!(consistent(&AllowAny), Ok(()));
    }

    #[test]
    fn what_some_have_and_some_have_not_is_taken() {
        assert_eq!(consistent(&IsAuthenticated.not()), Ok(()), "a page for who is not logged in");
        assert_eq!(consistent(&IsStaff.and(IsSuperuser.not())), Ok(()));
        assert_eq!(consistent(&HasPerm("a.b").and(HasPerm("a.c").not())), Ok(()));
        assert_eq!(consistent(&RecentLogin(5).and(IsStaff.or(InGroup("a")))), Ok(()));
        assert_eq!(consistent(&IsAuthenticatedOrReadOnly), Ok(()));
    }

    #[test]
    fn a_refusal_names_the_permission_and_says_what_to_do() {
        let text = consistent(&IsStaff.and(IsStaff.not())).unwrap_err().to_string();
        assert!(
            text.contains("And(IsStaff, Not(IsStaff))") && text.contains("take one of them out"),
            "{text}"
        );
    }
}
