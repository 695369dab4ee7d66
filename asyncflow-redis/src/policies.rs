//! Policies by their names: there are few, so a record holds a name alone, and a node remembers those that it met.

use std::{
    hash::Hasher,
    sync::{Arc, PoisonError, RwLock},
};

use asyncflow_core::{Policy, store::StoreError};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::record::PolicyName;

#[derive(Default)]
pub(crate) struct Policies(RwLock<Vec<Named>>);

/// A policy as it is kept.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) name: PolicyName,
    pub(crate) json: Arc<str>,
    policy: Arc<Policy>,
}

impl Policies {
    /// The name of a policy, and what is kept under it.
    pub(crate) fn name(&self, policy: &Arc<Policy>) -> Result<Named, StoreError> {
        let same = |known: &&Named| Arc::ptr_eq(&known.policy, policy) || known.policy == *policy;
        if let Some(known) = self.known(same) {
            return Ok(known);
        }
        let json = serde_json::to_string(&**policy).unwrap_or_default();
        // Read back, a share may differ in its last digit, which does no harm.
        if serde_json::from_str::<Policy>(&json).is_err() {
            return Err(StoreError::rejected("its policy cannot be written as JSON and read back"));
        }
        Ok(self.remember(json.into(), policy.clone()))
    }

    /// The policy of this name, if it was met.
    pub(crate) fn get(&self, name: &PolicyName) -> Option<Arc<Policy>> {
        self.known(|known| known.name == *name).map(|known| known.policy)
    }

    /// Reads what is kept under a name; nothing where it is no policy of this version.
    pub(crate) fn learn(&self, name: &PolicyName, json: &[u8]) -> Option<Arc<Policy>> {
        let json = std::str::from_utf8(json).ok()?;
        let policy = Arc::new(serde_json::from_str(json).ok()?);
        self.write().push(Named { name: *name, json: json.into(), policy: Arc::clone(&policy) });
        Some(policy)
    }

    fn known(&self, which: impl FnMut(&&Named) -> bool) -> Option<Named> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().find(which).cloned()
    }

    fn remember(&self, json: Arc<str>, policy: Arc<Policy>) -> Named {
        let mut hasher = SipHasher13::new();
        hasher.write(json.as_bytes());
        let named = Named { name: hasher.finish128().as_u128().to_be_bytes(), json, policy };
        self.write().push(named.clone());
        named
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Named>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use asyncflow_core::Retry;

    use super::*;

    #[test]
    fn one_policy_has_one_name_everywhere() {
        let policy = |jitter| {
            let retry = Retry::exponential(3, Duration::from_secs(1)).jitter(jitter);
            Arc::new(Policy { retry, ..Policy::default() })
        };
        let (one, other) = (Policies::default(), Policies::default());
        let named = one.name(&policy(0.5)).unwrap();
        assert_eq!(other.name(&policy(0.5)).unwrap().name, named.name);
        assert_ne!(other.name(&policy(0.25)).unwrap().name, named.name);
        let fresh = Policies::default();
        assert_eq!(fresh.get(&named.name), None);
        assert_eq!(fresh.learn(&named.name, named.json.as_bytes()), Some(policy(0.5)));
        assert_eq!(fresh.get(&named.name), Some(policy(0.5)));
        assert_eq!(fresh.learn(&named.name, b"{"), None);
        assert!(matches!(one.name(&policy(f64::NAN)), Err(StoreError::Rejected(_))));
    }
}
