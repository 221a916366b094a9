//! What is promised of second factors that come from another installation.

use std::sync::Arc;

use super::factors::{STEP, code_hash, enrol, user_with_session};
use super::fixtures::{after, new_session, session_id};
use crate::clock::OsRandom;
use crate::factor::FactorId;
use crate::session::NewSession;
use crate::sign_in::{FACTORS_AT_MOST, FactorKind};
use crate::store::admin::{
    Actor, AdminError, AdminStore, AuditKind, AuditSearch, FactorsImported, ImportFactors,
};
use crate::store::{Begin, Begun, NewRecoveryCode, StoredFactor};
use crate::user::UserId;

pub async fn factors_of_another_installation_are_added_once_and_told_of(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let (bob, of_bob) = user_with_session(&*store, "bob", 2).await;
    let of_bobs = enrol(&*store, bob.id, of_bob).await;
    let carried = |number: i64, credential: Option<u8>| StoredFactor {
        id: FactorId::new(number).unwrap(),
        kind: if credential.is_some() { FactorKind::Passkey } else { FactorKind::Totp },
        name: None,
        sealed: vec![9],
        last_step: Some(STEP),
        created_at: after(1),
        last_used_at: Some(after(2)),
        is_enrolled: true,
        credential: credential.map(|byte| vec![byte; 16]),
        is_backed_up: credential.map(|_| false),
        handle: credential.map(|byte| vec![byte]),
    };
    let factors = vec![carried(100, None), carried(101, Some(1))];
    let code = NewRecoveryCode { id: FactorId::draw(&OsRandom), hash: code_hash(ada.id, 1) };
    let import = ImportFactors { user: ada.id, factors: factors.clone(), codes: vec![code] };
    let by = Actor::shell("ops", after(60));
    let imported = store.import_factors(import.clone(), &by).await.unwrap();
    assert_eq!((imported.added, imported.are_codes_new), (2, true));
    let has = store.factors_of(ada.id).await.unwrap();
    assert_eq!((has.version > 0, &has.factors, has.recovery_codes.len()), (true, &factors, 1));
    let owner = store.passkey_owner(vec![1; 16]).await.unwrap();
    assert_eq!(owner.map(|owner| owner.user), Some(ada.id));
    assert!(store.session(own).await.unwrap().unwrap().revoked.is_none());
    // A login that was under way begins nothing.
    let session = NewSession { id: session_id(9), ..new_session(1, ada.id) };
    let checked = store.password_of(ada.id).await.unwrap();
    let begin = Begin { checked, ..Begin::unchecked(session) };
    assert_eq!(store.begin_session(begin).await.unwrap(), Begun::UserChanged);

    // What is here already stays whose it is.
    let again = store.import_factors(import.clone(), &by).await.unwrap();
    assert_eq!(again, FactorsImported::default());
    let mine = StoredFactor { id: of_bobs, ..carried(0, None) };
    let same_passkey = carried(102, Some(1));
    let taken = ImportFactors { factors: vec![mine, same_passkey], ..import.clone() };
    assert_eq!(store.import_factors(taken, &by).await.unwrap().added, 0);
    assert_eq!(store.factors_of(ada.id).await.unwrap(), has);
    // Codes that are there are not replaced, and nobody has too many.
    let many = (200..300).map(|number| carried(number, None)).collect();
    let many = ImportFactors { factors: many, ..import.clone() };
    let imported = store.import_factors(many, &by).await.unwrap();
    let room = u64::from(FACTORS_AT_MOST) - 2;
    assert_eq!((imported.added, imported.are_codes_new), (room, false));
    let asked =
        AuditSearch { kind: Some(AuditKind::FactorsImported), limit: 10, ..AuditSearch::default() };
    let lines = store.audit(&asked).await.unwrap().rows;
    let details: Vec<_> = lines.iter().map(|row| row.line.detail.as_str()).collect();
    assert_eq!(details, ["18", "2"]);
    let nobody = ImportFactors { user: UserId::new(4711), ..import };
    let refused = store.import_factors(nobody, &by).await;
    assert!(matches!(refused, Err(AdminError::Gone)), "{refused:?}");
}
