//! What a user was given.

/// Groups and permissions by their ids.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, Grants, GroupAdmin, UserAdmin};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// # use countersign::password::EncodedPassword;
/// # use countersign::user::{NewUser, Username};
/// let by = Actor::staff(ada.id, None, now);
/// let editors = store.save_group(None, "editors", &[], None, &by).await.unwrap();
/// let bob = NewUser::new(Username::parse("bob").unwrap(), None, EncodedPassword::unusable());
/// let bob = store
///     .add_user(bob, &Grants { groups: vec![editors], permissions: vec![] }, &by)
///     .await
///     .unwrap();
/// assert_eq!(bob.groups, ["editors"]);
/// # });
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Groups, sorted.
    pub groups: Vec<i64>,
    /// Permissions given to the user alone, sorted.
    pub permissions: Vec<i64>,
}
