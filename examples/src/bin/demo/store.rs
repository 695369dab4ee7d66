//! Which store jobs live in.

use std::{str::FromStr, sync::Arc};

use asyncflow_core::{BoxError, MemoryStore, Store};

#[derive(Clone, Debug)]
pub(crate) enum StoreChoice {
    Memory,
}

impl FromStr for StoreChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(Self::Memory),
            _ => Err("there are `memory` and `sqlite:PATH`".into()),
        }
    }
}

impl StoreChoice {
    pub(crate) fn open(&self) -> Result<Arc<dyn Store>, BoxError> {
        Ok(match self {
            Self::Memory => Arc::new(MemoryStore::new()),
        })
    }
}
