//! Second factors that come from another installation.

use deadpool_postgres::Object;

use super::audit;
use crate::session::DeviceName;
use crate::sign_in::FACTORS_AT_MOST;
use crate::store::admin::{Actor, AdminError, AuditKind, FactorsImported, ImportFactors};
use crate::store::plan::audit_lines::{Acted, line};
use crate::store::postgres::columns::micros;
use crate::store::postgres::enrolled::{change_version, insert_codes};
use crate::store::postgres::factor_proofs::step;
use crate::store::postgres::users;

pub(super) async fn import(
    client: &mut Object,
    import: &ImportFactors,
    by: &Actor,
) -> Acted<FactorsImported> {
    let transaction = client.transaction().await?;
    let operator = super::operators::hold(&transaction, &[import.user], by).await?;
    let user = users::by_id(&transaction, import.user).await?.ok_or(AdminError::Gone)?;
    by.is_let(operator.as_ref(), std::iter::once((&user, &user)))?;
    let owner = import.user.to_string();
    let statement = transaction
        .prepare_cached(
            "INSERT INTO factors (id, user_id, kind, name, sealed, last_step, created_at,
                 confirmed_at, last_used_at, credential, is_backed_up, handle)
             SELECT $1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11
             WHERE (SELECT count(*) FROM factors WHERE user_id = $2 AND confirmed_at IS NOT NULL)
                 < $12
             ON CONFLICT DO NOTHING",
        )
        .await?;
    let mut imported = FactorsImported::default();
    for factor in &import.factors {
        let (kind, name) = (factor.kind.as_str(), factor.name.as_ref().map(DeviceName::as_str));
        let (created, used) = (micros(factor.created_at), factor.last_used_at.map(micros));
        let last_step = factor.last_step.map(step);
        imported.added += transaction
            .execute(
                &statement,
                &[
                    &factor.id.as_i64(),
                    &owner,
                    &kind,
                    &name,
                    &factor.sealed,
                    &last_step,
                    &created,
                    &used,
                    &factor.credential,
                    &factor.is_backed_up,
                    &factor.handle,
                    &i64::from(FACTORS_AT_MOST),
                ],
            )
            .await?;
    }
    if imported.added == 0 {
        return audit::noted(transaction, imported, Vec::new()).await;
    }
    let statement =
        transaction.prepare_cached("SELECT 1 FROM recovery_codes WHERE user_id = $1").await?;
    let had_codes = !transaction.query(&statement, &[&owner]).await?.is_empty();
    if !had_codes && !import.codes.is_empty() {
        insert_codes(&transaction, import.user, &import.codes, by.now).await?;
        imported.are_codes_new = true;
    }
    change_version(&transaction, import.user, Some(by.now)).await?;
    let detail = imported.added.to_string();
    let told = line(by, AuditKind::FactorsImported, Some(import.user), None, &detail);
    audit::noted(transaction, imported, vec![told]).await
}
