//! Tokens used, by workspace and UTC day (10 §9.10, §20.8).

use molecule_model::WorkspaceId;
use rusqlite::params;

use crate::{Result, Tx};

/// Most tokens that one answer may claim.
const CAP: i64 = 10_000_000;
/// Micro-dollars a token: 3 $ a million in, 15 $ a million out.
const MICROS_IN: i64 = 3;
const MICROS_OUT: i64 = 15;

/// What an answer says it used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read.
    pub input_tokens: i64,
    /// Written.
    pub output_tokens: i64,
}

impl Usage {
    /// With the caps of 10 §9.10: negatives are 0.
    #[must_use]
    pub fn capped(input: i64, output: i64) -> Self {
        Self { input_tokens: input.clamp(0, CAP), output_tokens: output.clamp(0, CAP) }
    }

    /// Whether it says anything.
    #[must_use]
    pub const fn is_some(self) -> bool {
        self.input_tokens != 0 || self.output_tokens != 0
    }
}

/// Adds to today's row.
///
/// # Errors
/// When the row cannot be written.
pub fn add(tx: &mut Tx<'_>, workspace: WorkspaceId, used: Usage) -> Result<()> {
    let (now, day) = (tx.now().to_string(), tx.now().utc_midnight().to_string());
    tx.prepare_cached(
        "INSERT INTO workspace_token_usage (workspace_id, period_start, input_tokens, output_tokens, call_count, cost_micro_usd, updated_at)
         VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6)
         ON CONFLICT (workspace_id, period_start) DO UPDATE SET
             input_tokens = input_tokens + excluded.input_tokens,
             output_tokens = output_tokens + excluded.output_tokens,
             call_count = call_count + 1,
             cost_micro_usd = cost_micro_usd + excluded.cost_micro_usd,
             updated_at = excluded.updated_at",
    )?
    .execute(params![
        workspace.to_string(),
        day,
        used.input_tokens,
        used.output_tokens,
        used.input_tokens * MICROS_IN + used.output_tokens * MICROS_OUT,
        now
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use molecule_model::WorkspaceId;

    use super::{Usage, add};
    use crate::testing::{new_workspace, open};

    #[tokio::test]
    async fn a_day_is_one_row_and_claims_are_capped() {
        let (store, _dir) = open();
        let id = WorkspaceId::random();
        store
            .write(move |tx| {
                new_workspace(tx, id, "A", None)?;
                add(tx, id, Usage::capped(1_000, 100))?;
                add(tx, id, Usage::capped(-5, 99_000_000))
            })
            .await
            .unwrap();
        let row: (i64, i64, i64, i64) = store
            .read(|conn| {
                Ok(conn.query_row(
                    "SELECT input_tokens, output_tokens, call_count, cost_micro_usd FROM workspace_token_usage",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
                )?)
            })
            .await
            .unwrap();
        assert_eq!(row, (1_000, 10_000_100, 2, 1_000 * 3 + 10_000_100 * 15));
    }
}
