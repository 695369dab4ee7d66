//! Flows and policies by their numbers. Neither is ever removed, and there are few, so a connection remembers those that it met.

use std::sync::Arc;

use asyncflow_core::{Policy, Stamp};
use rusqlite::{Connection, OptionalExtension};

use crate::failure::{Failure, Result};

#[derive(Default)]
pub(crate) struct Names {
    flows: Vec<(i64, Arc<str>)>,
    policies: Vec<(i64, Arc<Policy>)>,
}

impl Names {
    /// Forgets all: a transaction that may have added some was undone.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The number of a flow, if it has one.
    pub(crate) fn flow(&mut self, db: &Connection, name: &str) -> Result<Option<i64>> {
        if let Some((id, _)) = self.flows.iter().find(|(_, known)| **known == *name) {
            return Ok(Some(*id));
        }
        let id = db
            .prepare_cached(include_str!("../queries/flow_id.sql"))?
            .query_row([name], |row| row.get(0))
            .optional()?;
        if let Some(id) = id {
            self.flows.push((id, name.into()));
        }
        Ok(id)
    }

    /// The number of a flow, which is given one if it has none.
    pub(crate) fn add_flow(&mut self, db: &Connection, name: &Arc<str>, now: Stamp) -> Result<i64> {
        if let Some(id) = self.flow(db, name)? {
            return Ok(id);
        }
        db.prepare_cached(include_str!("../queries/add_flow.sql"))?.execute((&**name, now.as_micros()))?;
        self.flows.push((db.last_insert_rowid(), name.clone()));
        Ok(db.last_insert_rowid())
    }

    pub(crate) fn flow_name(&mut self, db: &Connection, id: i64) -> Result<Arc<str>> {
        if let Some((_, name)) = self.flows.iter().find(|(known, _)| *known == id) {
            return Ok(name.clone());
        }
        let name: Arc<str> =
            db.prepare_cached(include_str!("../queries/flow_name.sql"))?.query_row([id], |row| row.get(0))?;
        self.flows.push((id, name.clone()));
        Ok(name)
    }

    pub(crate) fn policy(&mut self, db: &Connection, id: i64) -> Result<Arc<Policy>> {
        if let Some((_, policy)) = self.policies.iter().find(|(known, _)| *known == id) {
            return Ok(policy.clone());
        }
        let json: String =
            db.prepare_cached(include_str!("../queries/policy.sql"))?.query_row([id], |row| row.get(0))?;
        let policy: Arc<Policy> = serde_json::from_str(&json)
            .map(Arc::new)
            .map_err(|error| Failure::Unreadable(format!("policy {id} is not of this version: {error}")))?;
        self.policies.push((id, policy.clone()));
        Ok(policy)
    }

    /// The number of a policy, which is given one if it has none.
    pub(crate) fn add_policy(&mut self, db: &Connection, policy: &Arc<Policy>) -> Result<i64> {
        let same = |known: &Arc<Policy>| Arc::ptr_eq(known, policy) || known == policy;
        if let Some((id, _)) = self.policies.iter().find(|(_, known)| same(known)) {
            return Ok(*id);
        }
        let json = serde_json::to_string(&**policy).unwrap_or_default();
        // Read back, a share may differ in its last digit, which does no harm.
        if serde_json::from_str::<Policy>(&json).is_err() {
            return Err(Failure::Rejected("its policy cannot be written as JSON and read back".into()));
        }
        let known = db
            .prepare_cached(include_str!("../queries/policy_id.sql"))?
            .query_row([&json], |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => {
                db.prepare_cached(include_str!("../queries/add_policy.sql"))?.execute([&json])?;
                db.last_insert_rowid()
            }
        };
        self.policies.push((id, policy.clone()));
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use asyncflow_core::Retry;

    use super::*;

    #[test]
    fn any_share_is_a_jitter_and_what_is_none_is_refused() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../migrations/1.sql")).unwrap();
        let add = |jitter| {
            let retry = Retry::exponential(3, Duration::from_secs(1)).jitter(jitter);
            Names::default().add_policy(&db, &Arc::new(Policy { retry, ..Policy::default() }))
        };
        // As serde_json reads it, its last digit is another one.
        let id = add(0.9092974268256817).unwrap();
        assert_eq!(add(0.9092974268256817).unwrap(), id);
        Names::default().policy(&db, id).unwrap();
        assert!(matches!(add(f64::NAN), Err(Failure::Rejected(_))));
    }
}
