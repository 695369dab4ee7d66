//! What is read.

use std::sync::{Arc, PoisonError};

use asyncflow_core::{
    JobId, JobKey, Record, Settings, Stamp,
    store::{Counts, Page, Part, PartName, Query, StoreError},
};
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use crate::{database::Shared, params::Params, row};

/// The answer that holds settings.
const SETTINGS: i16 = 12;

impl Shared {
    pub(crate) async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        let epoch = self.names.epoch();
        self.names.find(epoch, &self.reads, &self.schema, jobs.iter().map(|job| &*job.flow)).await?;
        let mut records = vec![None; jobs.len()];
        let rows = {
            let mut params = Params::default();
            params.push(self.now(), Type::INT8);
            let flows: Vec<_> = {
                let known = self.names.known_in(epoch)?;
                jobs.iter().map(|job| known.flow(&job.flow)).collect()
            };
            if flows.iter().all(Option::is_none) {
                return Ok(records);
            }
            params.push(flows, Type::INT4_ARRAY);
            params.column(Type::UUID_ARRAY, jobs, |job| row::uuid(job.id));
            self.reads.call(epoch, self.schema.get(), &params).await?
        };
        self.learn(epoch, &rows).await?;
        let known = self.names.known_in(epoch)?;
        for answer in &rows {
            let nth = usize::try_from(answer.get::<_, i32>(1) - 1).unwrap_or(0);
            records[nth] = Some(row::record(answer, &known).map_err(StoreError::rejected)?);
        }
        Ok(records)
    }

    pub(crate) async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        let epoch = self.names.epoch();
        let Some(flow) = self.flow(epoch, &job.flow).await? else { return Ok(None) };
        let mut params = Params::default();
        params.push(self.now(), Type::INT8);
        params.push(flow, Type::INT4);
        params.push(row::uuid(job.id), Type::UUID);
        params.push(name as i16, Type::INT2);
        let rows = self.reads.call(epoch, self.schema.part(), &params).await?;
        Ok(rows.first().map(|part| row::part(part.get(0), part.get(1))))
    }

    /// What is due; what is set for the flows is remembered.
    pub(crate) async fn due(&self, limit: usize) -> Result<Vec<Record>, StoreError> {
        let (epoch, mut most) = (self.names.epoch(), limit);
        loop {
            let mut params = Params::default();
            params.push(self.now(), Type::INT8);
            params.push(i64::try_from(most).unwrap_or(i64::MAX), Type::INT8);
            params.push(self.known_settings(), Type::INT8);
            let mut rows = self.reads.call(epoch, self.schema.due(), &params).await?;
            if let Some(place) = rows.iter().position(|row| row.get::<_, i16>(0) == SETTINGS) {
                self.take_settings(&rows.remove(place));
            }
            self.learn(epoch, &rows).await?;
            let known = self.names.known_in(epoch)?;
            let found = rows.len();
            let mut records: Vec<_> = rows.iter().filter_map(|due| row::record(due, &known).ok()).collect();
            drop(known);
            let unreadable = found - records.len();
            if unreadable > 0 && records.len() < limit && found >= most {
                // They must not block those behind them.
                most = most.saturating_add(unreadable);
                continue;
            }
            records.sort_by_key(|record| record.due);
            records.truncate(limit);
            return Ok(records);
        }
    }

    fn known_settings(&self) -> i64 {
        let known = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        i64::try_from(known.version).unwrap_or(i64::MAX)
    }

    fn take_settings(&self, row: &Row) {
        let json: Option<&str> = row.get(row.len() - 2);
        // What a newer version set and this one cannot read leaves what was known.
        if let Ok(settings) = json.map_or_else(|| Ok(Settings::default()), serde_json::from_str) {
            *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        }
    }

    pub(crate) async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        let json = serde_json::to_string(settings)
            .map_err(|error| StoreError::rejected(format_args!("the settings cannot be written: {error}")))?;
        let Ok(version) = i64::try_from(settings.version) else { return Ok(false) };
        let mut params = Params::default();
        params.push(version, Type::INT8);
        params.push(json, Type::TEXT);
        let rows = self.writes.call(self.names.epoch(), self.schema.put_settings(), &params).await?;
        let follows = rows.first().is_some_and(|row| row.get(0));
        if follows {
            self.post.anything();
        }
        Ok(follows)
    }

    pub(crate) async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let epoch = self.names.epoch();
        let Some(flow) = self.flow(epoch, &query.flow).await? else { return Ok(Page::default()) };
        let first = match query.after.map(JobId::as_u128) {
            Some(u128::MAX) => return Ok(Page::default()),
            after => after.map_or(0, |after| after + 1),
        };
        let mut params = Params::default();
        params.push(self.now(), Type::INT8);
        params.push(flow, Type::INT4);
        params.push(query.state.map(|state| state as i16), Type::INT2);
        params.push(query.owner.as_deref().map(row::kept), Type::TEXT);
        params.push(Uuid::from_u128(first), Type::UUID);
        params.push(i64::try_from(query.limit.saturating_add(1)).unwrap_or(i64::MAX), Type::INT8);
        let rows = self.reads.call(epoch, self.schema.list(), &params).await?;
        self.learn(epoch, &rows).await?;
        let known = self.names.known_in(epoch)?;
        let mut records = rows
            .iter()
            .map(|found| row::record(found, &known))
            .collect::<Result<Vec<_>, _>>()
            .map_err(StoreError::rejected)?;
        let more = records.len() > query.limit;
        records.truncate(query.limit);
        let next = records.last().map(|record| record.job.id).filter(|_| more);
        Ok(Page { records, next })
    }

    pub(crate) async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        let epoch = self.names.epoch();
        let Some(flow) = self.flow(epoch, flow).await? else { return Ok(Counts::default()) };
        let mut params = Params::default();
        params.push(self.now(), Type::INT8);
        params.push(flow, Type::INT4);
        let rows = self.reads.call(epoch, self.schema.counts(), &params).await?;
        let Some(row) = rows.first() else { return Ok(Counts::default()) };
        let count = |n: usize| row.get::<_, Option<i64>>(n).unwrap_or(0).max(0).unsigned_abs();
        let oldest = row.get::<_, Option<i64>>(6).map(Stamp::from_micros);
        Ok(Counts { states: std::array::from_fn(count), oldest })
    }

    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let epoch = self.names.epoch();
        self.writes.call(epoch, self.schema.check(), &Params::default()).await?;
        self.reads.call(epoch, self.schema.check(), &Params::default()).await.map(drop)
    }

    /// The number of a flow, if it has one.
    async fn flow(&self, epoch: u64, name: &str) -> Result<Option<i32>, StoreError> {
        self.names.find(epoch, &self.reads, &self.schema, std::iter::once(name)).await?;
        Ok(self.names.known_in(epoch)?.flow(name))
    }

    /// Learns the names that the records of these answers are made with.
    pub(crate) async fn learn(&self, epoch: u64, rows: &[Row]) -> Result<(), StoreError> {
        let names: Vec<_> = rows.iter().filter_map(row::names).collect();
        let (flows, policies) = (names.iter().map(|(flow, _)| *flow), names.iter().map(|(_, policy)| *policy));
        self.names.learn(epoch, &self.reads, &self.schema, flows, policies).await
    }
}
