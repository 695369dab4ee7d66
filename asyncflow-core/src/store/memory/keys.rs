//! Idempotency keys: they lie apart from the jobs, and outlive them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::lock;
use crate::{
    job::{JobId, Stamp},
    store::{Idempotency, Inserted},
    sync::Mutex,
};

/// A flow, an owner, and what that calls its request.
pub(super) type Name = (Arc<str>, Option<Arc<str>>, Arc<str>);

/// Keys that are given up at one look, so that no look takes long.
const AT_ONCE: usize = 10_000;

#[derive(Default)]
pub(super) struct Keys(Mutex<Known>);

#[derive(Default)]
struct Known {
    uses: HashMap<Name, Use>,
    ends: BTreeSet<(Stamp, Name)>,
}

struct Use {
    id: JobId,
    created: Stamp,
    fingerprint: u128,
    until: Stamp,
}

impl Keys {
    /// Inserts by `insert` if the key is new; if it isn't, answers from its first use. A job that was refused does not use it up.
    pub(super) fn first(
        &self,
        name: Name,
        idempotency: &Idempotency,
        id: JobId,
        now: Stamp,
        insert: impl FnOnce() -> Inserted,
    ) -> Inserted {
        let Idempotency { fingerprint, keep, .. } = *idempotency;
        let mut known = lock(&self.0);
        match known.uses.get(&name).filter(|used| used.until > now) {
            Some(used) if used.fingerprint != fingerprint => return Inserted::OtherBody,
            Some(used) => return Inserted::Existing { id: used.id, created: used.created },
            None => {}
        }
        let inserted = insert();
        let found = match inserted {
            Inserted::Created { created } => Some((id, created)),
            // The job of its unique key: it is this request's from now on. Its own id was this request's before.
            Inserted::Existing { id: other, created } if other != id => Some((other, created)),
            _ => None,
        };
        if let Some((id, created)) = found {
            let until = now + keep;
            if let Some(expired) = known.uses.insert(name.clone(), Use { id, created, fingerprint, until }) {
                known.ends.remove(&(expired.until, name.clone()));
            }
            known.ends.insert((until, name));
        }
        inserted
    }

    /// Gives up keys whose time is over.
    pub(super) fn expire(&self, now: Stamp) {
        let mut known = lock(&self.0);
        for _ in 0..AT_ONCE {
            if known.ends.first().is_none_or(|(until, _)| *until > now) {
                break;
            }
            if let Some((_, name)) = known.ends.pop_first() {
                known.uses.remove(&name);
            }
        }
        if known.uses.capacity() > 64 && known.uses.len() < known.uses.capacity() / 4 {
            let keep = known.uses.len() * 2;
            known.uses.shrink_to(keep);
        }
    }
}
