//! A batch becomes one pipeline of scripts, one for each flow that it touches, and their answers its answers.

mod decode;
mod encode;
mod plain;

use std::sync::Arc;

use asyncflow_core::{
    JobKey,
    store::{Answers, Batch, Pick, StoreError},
};
use redis::{Pipeline, Value};

use crate::{
    failure, keys, part,
    scripts::Script,
    server::{Flow, Server},
};

/// What of a batch is of one flow: places in the batch's own lists.
pub(crate) struct Share {
    flow: Arc<Flow>,
    inserts: Vec<usize>,
    changes: Vec<usize>,
    claims: Vec<usize>,
}

impl Server {
    /// Writes a batch. Where memory is missing, what gives some back is done all the same.
    pub(crate) async fn write_or_purge(&self, batch: &Batch) -> Result<Answers, StoreError> {
        let mut somewhere = false;
        let written = self.write_batch(batch, &mut somewhere).await;
        if matches!(written, Err(StoreError::Unusable(_))) {
            let changes: Vec<_> = batch.changes.iter().filter(|change| change.patch.purge).cloned().collect();
            let entries = batch.inserts.len() + batch.changes.len() + batch.claims.len();
            if !changes.is_empty() && changes.len() < entries {
                // Whoever asked for them learns of it when it asks again.
                let _ = self.write_batch(&Batch { changes, ..Batch::default() }, &mut false).await;
            }
        }
        match written {
            // Nobody may take it for undone.
            Err(StoreError::Unusable(why)) if somewhere => Err(StoreError::Unavailable(why)),
            written => written,
        }
    }

    /// Writes a batch. Where it fails, it may have been done `somewhere`: to some of its flows.
    async fn write_batch(&self, batch: &Batch, somewhere: &mut bool) -> Result<Answers, StoreError> {
        encode::check(batch)?;
        let shares = self.shares(batch);
        let (mut calls, mut ahead) = (Pipeline::with_capacity(shares.len()), 0);
        for share in shares.iter().filter(|share| !share.inserts.is_empty() && !share.flow.is_listed()) {
            // Before its first job, so that whoever looks for what is due finds the flow.
            calls.cmd("SADD").arg(self.flows_key()).arg(&*share.flow.name);
            ahead += 1;
        }
        for share in &shares {
            let mut call = self.scripts.call(Script::Write, &share.flow.base);
            call.arg(self.time()).arg(&*self.channel).arg(&*share.flow.name);
            encode::arguments(&mut call, share, batch, &self.policies)?;
            calls.add_command(call);
        }
        if calls.is_empty() {
            return Ok(Answers::default());
        }
        let mut answers = self.scripts.ask(&self.writes, &calls).await?;
        let of_flows = answers.split_off(ahead.min(answers.len()));
        *somewhere = of_flows.iter().any(|answer| !matches!(answer, Value::ServerError(_)));
        for answer in answers {
            self.answer(answer)?;
        }
        for share in shares.iter().filter(|share| !share.inserts.is_empty()) {
            share.flow.listed();
        }
        self.answers(batch, &shares, of_flows).await
    }

    fn shares(&self, batch: &Batch) -> Vec<Share> {
        let mut shares = Vec::new();
        for (n, insert) in batch.inserts.iter().enumerate() {
            self.share(&mut shares, &insert.job.flow).inserts.push(n);
        }
        for (n, change) in batch.changes.iter().enumerate() {
            self.share(&mut shares, &change.job.flow).changes.push(n);
        }
        for (n, claim) in batch.claims.iter().enumerate() {
            let (Pick::Job(JobKey { flow, .. }) | Pick::Next { flow, .. }) = &claim.pick;
            self.share(&mut shares, flow).claims.push(n);
        }
        shares
    }

    /// Asks for the requests that were too large for a script's answer.
    async fn fetch_requests(&self, raw: &mut decode::Raw) -> Result<(), StoreError> {
        let large: Vec<_> = raw.without_requests().collect();
        if large.is_empty() {
            return Ok(());
        }
        let mut ask = Pipeline::with_capacity(large.len());
        for (job, _) in &large {
            ask.cmd("GET").arg(keys::of_job(&self.flow(&job.flow).base, b'r', job.id));
        }
        for ((_, request), answer) in large.into_iter().zip(self.writes.ask(&ask).await?) {
            if let Value::BulkString(kept) = self.answer(answer)? {
                *request = part::read(kept);
            }
        }
        Ok(())
    }

    /// The share of a flow.
    fn share<'a>(&self, shares: &'a mut Vec<Share>, flow: &Arc<str>) -> &'a mut Share {
        let at = shares.iter().position(|share| share.flow.name == *flow).unwrap_or_else(|| {
            let flow = self.flow(flow);
            shares.push(Share { flow, inserts: Vec::new(), changes: Vec::new(), claims: Vec::new() });
            shares.len() - 1
        });
        &mut shares[at]
    }

    async fn answers(&self, batch: &Batch, shares: &[Share], of_flows: Vec<Value>) -> Result<Answers, StoreError> {
        let mut raw = decode::Raw::new(batch);
        for (share, answer) in shares.iter().zip(of_flows) {
            if let Value::ServerError(error) = &answer {
                if let Some(unreadable) = decode::unreadable(error, &share.flow.name) {
                    return Err(unreadable);
                }
            }
            let Value::Array(answer) = self.answer(answer)? else { return Err(failure::odd(self.writes.server())) };
            raw.add(batch, share, answer).ok_or_else(|| failure::odd(self.writes.server()))?;
        }
        self.fetch_requests(&mut raw).await?;
        self.learn(raw.records()).await?;
        raw.read(&self.policies).ok_or_else(|| failure::odd(self.writes.server()))?
    }
}
