//! Records as they are kept, until their policies are known.

use asyncflow_core::{JobKey, Record, store::StoreError};
use redis::{Pipeline, Value};

use crate::{
    policies::Policies,
    record::{self, PolicyName},
    server::Server,
};

pub(crate) struct RawRecord {
    pub(crate) job: JobKey,
    pub(crate) kept: Vec<u8>,
    pub(crate) progress: Option<Vec<u8>>,
}

impl RawRecord {
    /// Reads it; an error names the job.
    pub(crate) fn read(&self, policies: &Policies) -> Result<Record, StoreError> {
        let policy = |name: &PolicyName| {
            policies.get(name).ok_or_else(|| "its policy is missing, or not of this version".to_owned())
        };
        record::read(&self.job, &self.kept, self.progress.as_deref(), policy)
            .map_err(|why| unreadable_job(&self.job, &why))
    }
}

pub(crate) fn unreadable_job(job: &JobKey, why: &str) -> StoreError {
    StoreError::rejected(format_args!("job {} of flow `{}` is unreadable: {why}", job.id, job.flow))
}

impl Server {
    /// Reads the policies that records name and this node has not met.
    pub(crate) async fn learn(&self, records: impl Iterator<Item = &RawRecord>) -> Result<(), StoreError> {
        let mut unknown: Vec<(PolicyName, &JobKey)> = Vec::new();
        for record in records {
            let Some(name) = record::policy_name(&record.kept) else { continue };
            if self.policies.get(&name).is_none() && unknown.iter().all(|(known, _)| *known != name) {
                unknown.push((name, &record.job));
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let mut ask = Pipeline::with_capacity(unknown.len());
        for (name, job) in &unknown {
            ask.cmd("HGET").arg(format!("{}p", self.flow(&job.flow).base)).arg(&name[..]);
        }
        for ((name, _), answer) in unknown.iter().zip(self.reads.ask(&ask).await?) {
            if let Value::BulkString(json) = self.answer(answer)? {
                self.policies.learn(name, &json);
            }
        }
        Ok(())
    }
}
