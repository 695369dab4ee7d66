//! Flows and policies by their numbers. Neither is ever removed, and there are few, so a node remembers those that it met, until a server takes
//! the place of the one that gave the numbers, and has not heard of some of them.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use asyncflow_core::{Policy, store::StoreError};
use tokio_postgres::{Client, Error, Row, types::Type};

use crate::{failure, params::Params, pool::Pool, row, schema::Schema};

pub(crate) struct Names {
    known: RwLock<Known>,
    /// Asks whether flows and policies still have their numbers.
    hold: String,
}

#[derive(Default)]
pub(crate) struct Known {
    /// How often all was forgotten: numbers of one epoch mean nothing in another.
    epoch: u64,
    flows: HashMap<Arc<str>, i32>,
    flow_names: HashMap<i32, Arc<str>>,
    /// Each with how it is written.
    policies: HashMap<i32, (Arc<Policy>, String)>,
    policy_numbers: Vec<(Arc<Policy>, i32)>,
}

impl Known {
    pub(crate) fn flow(&self, name: &str) -> Option<i32> {
        self.flows.get(name).copied()
    }

    pub(crate) fn flow_name(&self, number: i32) -> Option<&Arc<str>> {
        self.flow_names.get(&number)
    }

    pub(crate) fn policy(&self, number: i32) -> Option<&Arc<Policy>> {
        self.policies.get(&number).map(|(policy, _)| policy)
    }

    pub(crate) fn policy_number(&self, policy: &Arc<Policy>) -> Option<i32> {
        let same = |known: &Arc<Policy>| Arc::ptr_eq(known, policy) || known == policy;
        self.policy_numbers.iter().find(|(known, _)| same(known)).map(|(_, number)| *number)
    }

    fn add_flow(&mut self, name: Arc<str>, number: i32) {
        self.flows.insert(name.clone(), number);
        self.flow_names.insert(number, name);
    }
}

impl Names {
    pub(crate) fn new(schema: &Schema) -> Self {
        Self { known: RwLock::default(), hold: schema.names_hold() }
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is asked at once is asked in one epoch.
    pub(crate) fn epoch(&self) -> u64 {
        self.known().epoch
    }

    /// What is known in this epoch.
    ///
    /// # Errors
    /// It is over.
    pub(crate) fn known_in(&self, epoch: u64) -> Result<RwLockReadGuard<'_, Known>, StoreError> {
        Some(self.known()).filter(|known| known.epoch == epoch).ok_or_else(failure::renumbered)
    }

    fn learning_in(&self, epoch: u64) -> Result<RwLockWriteGuard<'_, Known>, StoreError> {
        let known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        Some(known).filter(|known| known.epoch == epoch).ok_or_else(failure::renumbered)
    }

    /// Ends this epoch, unless it is over already.
    pub(crate) fn forget(&self, epoch: u64) {
        if let Ok(mut known) = self.learning_in(epoch) {
            *known = Known { epoch: epoch + 1, ..Known::default() };
        }
    }

    /// The epoch in which the server at the other end knows all that is known here by the same numbers; where it does not, all is forgotten.
    pub(crate) async fn epoch_of(&self, client: &Client) -> Result<Option<u64>, Error> {
        let mut params = Params::default();
        let epoch = {
            let known = self.known();
            let (flows, policies) = (&known.flow_names, &known.policies);
            if flows.is_empty() && policies.is_empty() {
                return Ok(Some(known.epoch));
            }
            params.push(flows.keys().copied().collect::<Vec<_>>(), Type::INT4_ARRAY);
            params.push(flows.values().map(|name| row::kept(name).into_owned()).collect::<Vec<_>>(), Type::TEXT_ARRAY);
            params.push(policies.keys().copied().collect::<Vec<_>>(), Type::INT4_ARRAY);
            params.push(policies.values().map(|(_, text)| text.clone()).collect::<Vec<_>>(), Type::TEXT_ARRAY);
            known.epoch
        };
        let typed: Vec<_> = params.values().into_iter().zip(params.kinds()).collect();
        let holds = client.query_typed(&self.hold, &typed).await?.first().is_some_and(|row| row.get(0));
        if !holds {
            self.forget(epoch);
        }
        Ok(holds.then_some(epoch))
    }

    /// Gives numbers to those of these flows and policies that have none, and learns all of them.
    pub(crate) async fn add<'a>(
        &self,
        epoch: u64,
        pool: &Pool,
        schema: &Schema,
        flows: impl Iterator<Item = &'a Arc<str>>,
        policies: impl Iterator<Item = &'a Arc<Policy>>,
    ) -> Result<(), StoreError> {
        let (mut new_flows, mut new_policies): (Vec<Arc<str>>, Vec<Arc<Policy>>) = Default::default();
        {
            let known = self.known_in(epoch)?;
            for flow in flows.filter(|flow| known.flow(flow).is_none()) {
                if !new_flows.contains(flow) {
                    new_flows.push(flow.clone());
                }
            }
            for policy in policies.filter(|policy| known.policy_number(policy).is_none()) {
                if !new_policies.contains(policy) {
                    new_policies.push(policy.clone());
                }
            }
        }
        if new_flows.is_empty() && new_policies.is_empty() {
            return Ok(());
        }
        let json = new_policies.iter().map(written).collect::<Result<Vec<_>, _>>()?;
        let mut params = Params::default();
        params.push(new_flows.iter().map(|flow| row::kept(flow)).collect::<Vec<_>>(), Type::TEXT_ARRAY);
        params.push(json.clone(), Type::TEXT_ARRAY);
        let rows = pool.call(epoch, schema.names(), &params).await?;
        let mut known = self.learning_in(epoch)?;
        for row in rows {
            let (kind, place, number): (i16, i32, i32) = (row.get(0), row.get(1), row.get(2));
            let place = usize::try_from(place - 1).unwrap_or(usize::MAX);
            match kind {
                0 => known.add_flow(new_flows[place].clone(), number),
                _ => {
                    known.policies.insert(number, (new_policies[place].clone(), json[place].clone()));
                    known.policy_numbers.push((new_policies[place].clone(), number));
                }
            }
        }
        Ok(())
    }

    /// Learns which numbers these flows have, if they have one.
    pub(crate) async fn find<'a>(
        &self,
        epoch: u64,
        pool: &Pool,
        schema: &Schema,
        flows: impl Iterator<Item = &'a str>,
    ) -> Result<(), StoreError> {
        let unknown: Vec<_> = {
            let known = self.known_in(epoch)?;
            flows.filter(|flow| known.flow(flow).is_none()).map(row::kept).collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let mut params = Params::default();
        params.push(unknown, Type::TEXT_ARRAY);
        let rows = pool.call(epoch, schema.flows_by_name(), &params).await?;
        self.learn_flows(epoch, &rows)
    }

    /// Learns flows from rows that hold their numbers and names.
    pub(crate) fn learn_flows(&self, epoch: u64, rows: &[Row]) -> Result<(), StoreError> {
        let mut known = self.learning_in(epoch)?;
        rows.iter().for_each(|row| known.add_flow(Arc::from(&*row::told(row.get(1))), row.get(0)));
        Ok(())
    }

    /// Learns what has these numbers. Policies that this version cannot read stay unknown.
    pub(crate) async fn learn(
        &self,
        epoch: u64,
        pool: &Pool,
        schema: &Schema,
        flows: impl Iterator<Item = i32>,
        policies: impl Iterator<Item = i32>,
    ) -> Result<(), StoreError> {
        let (flows, policies): (Vec<_>, Vec<_>) = {
            let known = self.known_in(epoch)?;
            let flows = flows.filter(|flow| known.flow_name(*flow).is_none()).collect();
            (flows, policies.filter(|policy| known.policy(*policy).is_none()).collect())
        };
        if !flows.is_empty() {
            let mut params = Params::default();
            params.push(flows, Type::INT4_ARRAY);
            let rows = pool.call(epoch, schema.flows_by_number(), &params).await?;
            self.learn_flows(epoch, &rows)?;
        }
        if !policies.is_empty() {
            let mut params = Params::default();
            params.push(policies, Type::INT4_ARRAY);
            let rows = pool.call(epoch, schema.policies_by_number(), &params).await?;
            let mut known = self.learning_in(epoch)?;
            for row in rows {
                let text: String = row.get(1);
                if let Ok(policy) = serde_json::from_str(&text) {
                    known.policies.insert(row.get(0), (Arc::new(policy), text));
                }
            }
        }
        Ok(())
    }
}

/// A policy as JSON that can be read back. Read back, a share may differ in its last digit, which does no harm.
fn written(policy: &Arc<Policy>) -> Result<String, StoreError> {
    let json = serde_json::to_string(&**policy).unwrap_or_default();
    match serde_json::from_str::<Policy>(&json) {
        Ok(_) => Ok(json),
        Err(_) => Err(StoreError::rejected("its policy cannot be written as JSON and read back")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_one_server_are_not_taken_for_those_of_the_next() {
        let names = Names::new(&Schema::new("any").unwrap());
        let epoch = names.epoch();
        names.learning_in(epoch).unwrap().add_flow("flow".into(), 7);
        assert_eq!(names.known_in(epoch).unwrap().flow("flow"), Some(7));
        // Once, however many connections find it.
        names.forget(epoch);
        names.forget(epoch);
        assert!(names.known_in(epoch).is_err(), "whoever found the number before asks anew");
        assert!(names.learning_in(epoch).is_err(), "what was answered before is not learned");
        assert_eq!(names.known_in(epoch + 1).unwrap().flow("flow"), None);
    }
}
