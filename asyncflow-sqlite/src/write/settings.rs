//! What is set for flows while nodes run.

use asyncflow_core::{Settings, store::StoreError};
use rusqlite::OptionalExtension;

use super::Writer;
use crate::failure::Failure;

impl Writer {
    /// Sets what is set for the flows, if these settings follow those that are there; says whether they do.
    pub(crate) fn put_settings(&mut self, settings: &Settings) -> Result<bool, StoreError> {
        let unwritable = |error| Failure::Rejected(format!("the settings cannot be written: {error}"));
        let follows = self.transaction(|work| {
            let mut known = work.db.prepare_cached(include_str!("../../queries/settings_version.sql"))?;
            let known: u64 = known.query_row([], |row| row.get(0)).optional()?.unwrap_or(0);
            let follows = known.checked_add(1) == Some(settings.version);
            if follows {
                let json = serde_json::to_string(settings).map_err(unwritable)?;
                let mut put = work.db.prepare_cached(include_str!("../../queries/put_settings.sql"))?;
                put.execute((settings.version, json))?;
            }
            Ok(follows)
        })?;
        if follows {
            self.hints.anything();
        }
        Ok(follows)
    }
}
