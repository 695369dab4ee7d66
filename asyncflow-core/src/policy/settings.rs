//! What is set for flows while nodes run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Limits;

/// What was set for flows while nodes run: one record in the store, which every node reads once a second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Grows by one with each change; 0 where nothing was ever set.
    pub version: u64,
    /// By the flow's name.
    pub flows: BTreeMap<String, FlowSettings>,
}

/// What was set for one flow while nodes run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FlowSettings {
    /// No node takes up its jobs.
    pub paused: bool,
    /// In place of its options' limits.
    pub limits: Option<Limits>,
}

impl FlowSettings {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
