//! What is read.

use std::sync::{Arc, PoisonError};

use asyncflow_core::{
    JobId, JobKey, Record, Settings,
    store::{Attention, Counts, Page, Part, PartName, Query, StoreError},
};
use redis::{Pipeline, Value};

use crate::{
    failure, keys, part,
    raw::{RawRecord, unreadable_job},
    record,
    scripts::Script,
    server::Server,
};

/// Records that a page of a list looks at in one go.
const STEP: usize = 500;
/// Jobs in a state that are looked through by their ids alone, where there are so few.
const FEW: i64 = 10_000;

impl Server {
    /// Records, and nothing of the parts: those are keys of their own.
    pub(crate) async fn records(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        let raw = self.raw(jobs).await?;
        self.learn(raw.iter().flatten()).await?;
        raw.iter().map(|raw| raw.as_ref().map(|raw| raw.read(&self.policies)).transpose()).collect()
    }

    async fn raw(&self, jobs: &[JobKey]) -> Result<Vec<Option<RawRecord>>, StoreError> {
        let mut ask = Pipeline::with_capacity(jobs.len());
        for job in jobs {
            let flow = self.flow(&job.flow);
            ask.cmd("MGET").arg(keys::of_job(&flow.base, b'j', job.id)).arg(keys::of_job(&flow.base, b'p', job.id));
        }
        if ask.is_empty() {
            return Ok(Vec::new());
        }
        let mut records = Vec::with_capacity(jobs.len());
        for (job, answer) in jobs.iter().zip(self.reads.ask(&ask).await?) {
            let mut both = self.array(answer)?.into_iter();
            let (kept, progress) = (both.next().and_then(bytes), both.next().and_then(bytes));
            records.push(kept.map(|kept| RawRecord { job: job.clone(), kept, progress }));
        }
        Ok(records)
    }

    pub(crate) async fn read_part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        let kind = match name {
            PartName::Request => b'r',
            PartName::Outcome => b'o',
        };
        let mut ask = Pipeline::with_capacity(1);
        ask.cmd("GET").arg(keys::of_job(&self.flow(&job.flow).base, kind, job.id));
        match self.one(ask).await? {
            Value::BulkString(kept) => {
                part::read(kept).map(Some).ok_or_else(|| unreadable_job(job, "one of its parts is damaged"))
            }
            _ => Ok(None),
        }
    }

    pub(crate) async fn attention(&self, limit: usize) -> Result<Attention, StoreError> {
        let names = self.flows_and_settings().await?;
        let mut ask = Pipeline::with_capacity(names.len());
        for name in &names {
            let mut call = self.scripts.call(Script::Due, &self.flow(name).base);
            call.arg(self.time()).arg(limit).arg(record::FORMAT);
            ask.add_command(call);
        }
        let mut raw = Vec::new();
        if !ask.is_empty() && limit > 0 {
            for (flow, answer) in names.iter().zip(self.scripts.ask(&self.reads, &ask).await?) {
                let mut words = self.array(answer)?.into_iter();
                while let (Some(id), Some(kept), progress) = (words.next(), words.next(), words.next()) {
                    let id = bytes(id).and_then(|id| id.try_into().ok());
                    let (Some(id), Some(kept)) = (id, bytes(kept)) else { continue };
                    let job = JobKey { flow: flow.clone(), id: JobId::from_u128(u128::from_be_bytes(id)) };
                    raw.push(RawRecord { job, kept, progress: progress.and_then(bytes) });
                }
            }
        }
        self.learn(raw.iter()).await?;
        let mut records: Vec<_> = raw.iter().filter_map(|raw| raw.read(&self.policies).ok()).collect();
        records.sort_by_key(|record| record.due);
        records.truncate(limit);
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Attention { records, settings })
    }

    /// The names of all flows; and takes note of what is set for them.
    async fn flows_and_settings(&self) -> Result<Vec<Arc<str>>, StoreError> {
        let known: Vec<_> = {
            let flows = self.flows.read().unwrap_or_else(PoisonError::into_inner);
            flows.iter().filter(|flow| flow.is_listed()).map(|flow| flow.name.clone()).collect()
        };
        let mut ask = Pipeline::with_capacity(3);
        ask.cmd("HMGET").arg(self.settings_key()).arg("version").arg("settings");
        if !known.is_empty() {
            // Where a failover has lost one, it is found again.
            let names: Vec<_> = known.iter().map(|name| &**name).collect();
            ask.cmd("SADD").arg(self.flows_key()).arg(names);
        }
        ask.cmd("SMEMBERS").arg(self.flows_key());
        let mut answers = self.reads.ask(&ask).await?.into_iter();
        let settings = self.array(answers.next().unwrap_or_default())?;
        self.note_settings(settings);
        let mut names = Vec::new();
        for answer in answers {
            if let Value::Array(members) | Value::Set(members) = self.answer(answer)? {
                names = members
                    .into_iter()
                    .filter_map(|name| String::from_utf8(bytes(name)?).ok())
                    .map(Arc::from)
                    .collect();
            }
        }
        Ok(names)
    }

    fn note_settings(&self, answer: Vec<Value>) {
        let mut both = answer.into_iter().map(bytes);
        let (version, json) = (both.next().flatten(), both.next().flatten());
        // Where none are there any more, a failover has lost them: then none are set.
        let version = version.map_or(Some(0), |version| std::str::from_utf8(&version).ok()?.parse().ok());
        let known = self.settings.read().unwrap_or_else(PoisonError::into_inner).version;
        if version == Some(known) {
            return;
        }
        // What a newer version set and this one cannot read leaves what was known: due jobs are to be looked after all the same.
        if let Ok(settings) = json.map_or_else(|| Ok(Settings::default()), |json| serde_json::from_slice(&json)) {
            *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        }
    }

    pub(crate) async fn set_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        let Some(before) = settings.version.checked_sub(1) else { return Ok(false) };
        let json = serde_json::to_string(settings)
            .map_err(|error| StoreError::rejected(format_args!("the settings cannot be written: {error}")))?;
        let mut call = self.scripts.call(Script::Settings, &self.settings_key());
        call.arg(before).arg(settings.version).arg(json).arg(&*self.channel);
        let mut ask = Pipeline::with_capacity(1);
        ask.add_command(call);
        let answer = self.scripts.ask(&self.writes, &ask).await?.pop().unwrap_or_default();
        Ok(self.answer(answer)? == Value::Int(1))
    }

    pub(crate) async fn page(&self, query: &Query) -> Result<Page, StoreError> {
        let base = &self.flow(&query.flow).base;
        let few = self.few(query, base).await?;
        let (mut records, mut after) = (Vec::new(), query.after);
        loop {
            let ids = match &few {
                Some(ids) => {
                    ids.iter().copied().filter(|id| after.is_none_or(|after| *id > after)).take(STEP).collect()
                }
                None => self.ids_after(base, after).await?,
            };
            let jobs: Vec<_> = ids.iter().map(|id| JobKey { flow: query.flow.clone(), id: *id }).collect();
            let raw = self.raw(&jobs).await?;
            self.learn(raw.iter().flatten()).await?;
            for raw in raw.iter().flatten() {
                let record = raw.read(&self.policies)?;
                if query.admits(&record) {
                    if records.len() == query.limit {
                        let next = records.last().map(|record: &Record| record.job.id);
                        return Ok(Page { records, next });
                    }
                    records.push(record);
                }
            }
            match ids.last() {
                Some(last) if ids.len() == STEP => after = Some(*last),
                _ => return Ok(Page { records, next: None }),
            }
        }
    }

    /// The ids of all jobs in the state that is asked for, in order, where they are few among many.
    async fn few(&self, query: &Query, base: &str) -> Result<Option<Vec<JobId>>, StoreError> {
        let Some(state) = query.state else { return Ok(None) };
        let key = format!("{base}d{}", state as u8);
        let mut ask = Pipeline::with_capacity(1);
        ask.cmd("ZCARD").arg(&key);
        if !matches!(self.one(ask).await?, Value::Int(..=FEW)) {
            return Ok(None);
        }
        let mut ask = Pipeline::with_capacity(1);
        ask.cmd("ZRANGE").arg(&key).arg(0).arg(-1);
        let mut ids = self.ids(ask).await?;
        ids.sort_unstable();
        Ok(Some(ids))
    }

    async fn ids_after(&self, base: &str, after: Option<JobId>) -> Result<Vec<JobId>, StoreError> {
        let mut from = b"(".to_vec();
        match after {
            Some(after) => from.extend(after.as_u128().to_be_bytes()),
            None => from = b"-".to_vec(),
        }
        let mut ask = Pipeline::with_capacity(1);
        ask.cmd("ZRANGEBYLEX").arg(format!("{base}a")).arg(from).arg("+").arg("LIMIT").arg(0).arg(STEP);
        self.ids(ask).await
    }

    async fn ids(&self, ask: Pipeline) -> Result<Vec<JobId>, StoreError> {
        let answer = self.one(ask).await?;
        let id = |id| Some(JobId::from_u128(u128::from_be_bytes(bytes(id)?.try_into().ok()?)));
        Ok(self.array(answer)?.into_iter().filter_map(id).collect())
    }

    pub(crate) async fn count(&self, flow: &str) -> Result<Counts, StoreError> {
        let mut ask = Pipeline::with_capacity(1);
        // Not remembered: whoever asks may name anything.
        ask.add_command(self.scripts.call(Script::Counts, &keys::base(&self.prefix, flow)));
        let answer = self.scripts.ask(&self.reads, &ask).await?.pop().unwrap_or_default();
        let mut words = self.array(answer)?.into_iter();
        let mut counts = Counts::default();
        for count in &mut counts.states {
            match words.next() {
                Some(Value::Int(jobs)) => *count = jobs.max(0).unsigned_abs(),
                _ => return Err(failure::odd(self.reads.server())),
            }
        }
        let mut first = None;
        while let (Some(id), Some(kept)) = (words.next().and_then(bytes), words.next()) {
            let Some(created) = bytes(kept).as_deref().and_then(record::created) else { continue };
            if first.as_ref().is_none_or(|(other, _)| id < *other) {
                first = Some((id, created));
            }
        }
        counts.oldest = first.map(|(_, created)| created);
        Ok(counts)
    }

    /// Whether the server can be read and written.
    pub(crate) async fn try_both(&self) -> Result<(), StoreError> {
        let mut ask = Pipeline::with_capacity(2);
        let key = keys::common(&self.prefix, "check");
        ask.cmd("GET").arg(&key).cmd("SET").arg(&key).arg(1).arg("PX").arg(60_000);
        for link in [&self.writes, &self.reads] {
            for answer in link.ask(&ask).await? {
                self.answer(answer)?;
            }
        }
        Ok(())
    }

    fn settings_key(&self) -> String {
        keys::common(&self.prefix, "settings")
    }

    async fn one(&self, ask: Pipeline) -> Result<Value, StoreError> {
        self.answer(self.reads.ask(&ask).await?.pop().unwrap_or_default())
    }

    fn array(&self, answer: Value) -> Result<Vec<Value>, StoreError> {
        match self.answer(answer)? {
            Value::Array(values) => Ok(values),
            _ => Err(failure::odd(self.reads.server())),
        }
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}
