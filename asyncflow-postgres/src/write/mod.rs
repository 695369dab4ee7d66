//! Batches: one statement, one transaction.

mod changes;
mod claims;
mod inserts;
mod news;
mod rooms;

use std::{collections::BTreeMap, time::Instant};

use asyncflow_core::{
    Stamp,
    store::{Answers, Batch, Changed, Claimed, Insert, Inserted, Pick, StoreError, Taken},
};
use tokio_postgres::{Row, types::Type};

use self::{
    changes::{Changes, Numbered, turning},
    inserts::{is_plain, taken_at_once},
};
pub(crate) use self::{news::HeldBack, rooms::Rooms};
use crate::{database::Shared, failure, names::Known, params::Params, row};

/// What an answer is of, as the functions number them.
mod kind {
    pub(super) const CREATED: i16 = 1;
    pub(super) const EXISTING: i16 = 2;
    pub(super) const OTHER_BODY: i16 = 3;
    pub(super) const FULL: i16 = 4;
    pub(super) const OVER_QUOTA: i16 = 5;
    pub(super) const REPLACED: i16 = 6;
    pub(super) const ALL_CREATED: i16 = 7;
    pub(super) const WAITING: i16 = 8;
    pub(super) const APPLIED: i16 = 10;
    pub(super) const REFUSED: i16 = 11;
    pub(super) const ENDED: i16 = 13;
    pub(super) const NOT_ENDED: i16 = 14;
    pub(super) const TAKEN: i16 = 20;
    pub(super) const HELD_ALREADY: i16 = 21;
    pub(super) const HELD_BACK: i16 = 22;
}

/// What is done to a flow as a whole.
#[derive(Default)]
struct Entered {
    /// Nobody else enters it meanwhile: something of it is counted.
    alone: bool,
    /// How many may wait at most, so that new jobs need not be counted one by one.
    room: Option<i64>,
}

impl Shared {
    /// Applies a batch.
    pub(crate) async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        if batch.inserts.is_empty() && batch.changes.is_empty() && batch.claims.is_empty() {
            return Ok(Answers::default());
        }
        inserts::check(&batch.inserts)?;
        claims::check(&batch.claims)?;
        let epoch = self.names.epoch();
        self.meet(epoch, batch).await?;
        let plain = is_plain(&batch.inserts);
        // Which claims take a job of the same batch, and of each job which claim.
        let at_once = if plain { taken_at_once(batch) } else { vec![None; batch.inserts.len()] };
        let (flows, numbers) = {
            let known = self.names.known_in(epoch)?;
            (self.entered(batch, plain, &known), Numbers::of(batch, &known)?)
        };
        let changes = Changes::of(&batch.changes, &numbers.changes);
        let began = Instant::now();
        let (rows, floors) = {
            let flows: Vec<_> = flows.into_iter().collect();
            let (from, until) = self.shelves.spans();
            let mut params = Params::default();
            params.push(self.now(), Type::INT8);
            params.push(self.schema.area, Type::INT4);
            params.push(from, Type::INT8_ARRAY);
            params.push(until, Type::INT8_ARRAY);
            params.column(Type::INT4_ARRAY, &flows, |(flow, _)| *flow);
            params.column(Type::BOOL_ARRAY, &flows, |(_, entered)| entered.alone);
            params.rare(Type::INT8_ARRAY, &flows, |(_, entered)| entered.room);
            params.push(plain, Type::BOOL);
            inserts::push(&mut params, batch, &numbers, &at_once);
            changes::push(&mut params, &changes);
            let floors = claims::floors(batch, &numbers.claims, self.post.floors());
            claims::push(&mut params, batch, &numbers.claims, floors.clone(), &at_once);
            debug_assert_eq!(params.values().len(), crate::schema::WRITE);
            let rows = self.writes.call(epoch, self.schema.write(), &params).await?;
            for row in rows.iter().filter(|row| row.get::<_, i16>(0) == kind::WAITING) {
                if let Some((flow, _)) = flows.get(nth(row)) {
                    self.rooms.set(*flow, row.get(2));
                }
            }
            (rows, floors)
        };
        self.learn(epoch, &rows).await?;
        let known = self.names.known_in(epoch)?;
        let answers = answers(batch, &changes, &at_once, &rows, &known)?;
        let again: Vec<_> = rows.iter().filter(|row| row.get::<_, i16>(0) == kind::HELD_ALREADY).map(nth).collect();
        for (nth, (claim, taken)) in batch.claims.iter().zip(&answers.claims).enumerate() {
            // One that was asked again has not looked.
            if !again.contains(&nth) {
                claims::looked(claim, taken, numbers.claims[nth], floors[nth], began, self.post.floors());
            }
        }
        self.tell(batch, &answers, &rows, &known);
        Ok(answers)
    }

    /// Gives numbers to what of the batch has none.
    async fn meet(&self, epoch: u64, batch: &Batch) -> Result<(), StoreError> {
        let flows = batch.inserts.iter().map(|insert| &insert.job.flow);
        let policies = || batch.inserts.iter().map(|insert| &insert.facts.policy);
        let known_before = {
            let known = self.names.known_in(epoch)?;
            policies().all(|policy| known.policy_number(policy).is_some())
        };
        self.names.add(epoch, &self.writes, &self.schema, flows, policies()).await?;
        if !known_before && policies().fold(false, |new, policy| self.shelves.want(policy) | new) {
            self.tend().await?;
        }
        let changes = batch.changes.iter().map(|change| &*change.job.flow);
        let claims = batch.claims.iter().map(|claim| &**claims::flow(claim));
        self.names.find(epoch, &self.writes, &self.schema, changes.chain(claims)).await
    }

    /// The flows that the batch enters, in the order in which they are locked.
    fn entered(&self, batch: &Batch, plain: bool, known: &Known) -> BTreeMap<i32, Entered> {
        let mut flows: BTreeMap<i32, Entered> = BTreeMap::new();
        let mut new: BTreeMap<i32, (u64, u64)> = BTreeMap::new();
        for insert in &batch.inserts {
            let Some(flow) = known.flow(&insert.job.flow) else { continue };
            flows.entry(flow).or_default().alone |= !plain;
            let (jobs, room) = new.entry(flow).or_insert((0, u64::MAX));
            (*jobs, *room) = (*jobs + 1, insert.room.waiting.min(*room));
        }
        for (flow, (jobs, room)) in new.into_iter().filter(|_| plain) {
            flows.entry(flow).or_default().room = self.rooms.look(flow, jobs, room);
        }
        for change in batch.changes.iter().filter(|change| turning(&change.patch)) {
            known.flow(&change.job.flow).map(|flow| flows.entry(flow).or_default());
        }
        for claim in &batch.claims {
            let Some(flow) = known.flow(claims::flow(claim)) else { continue };
            flows.entry(flow).or_default().alone |= claim.limits.is_some();
        }
        flows
    }
}

/// The numbers of the flows and policies of a batch. A flow that has none is not there.
struct Numbers {
    inserts: Vec<(i32, i32)>,
    changes: Vec<i32>,
    claims: Vec<i32>,
}

impl Numbers {
    fn of(batch: &Batch, known: &Known) -> Result<Self, StoreError> {
        let flow = |name: &str| known.flow(name).unwrap_or(-1);
        let insert = |insert: &Insert| {
            let both = known.flow(&insert.job.flow).zip(known.policy_number(&insert.facts.policy));
            both.ok_or_else(failure::renumbered)
        };
        Ok(Self {
            inserts: batch.inserts.iter().map(insert).collect::<Result<_, _>>()?,
            changes: batch.changes.iter().map(|change| flow(&change.job.flow)).collect(),
            claims: batch.claims.iter().map(|claim| flow(claims::flow(claim))).collect(),
        })
    }
}

/// Which entry of its kind an answer is of.
fn nth(row: &Row) -> usize {
    usize::try_from(row.get::<_, i32>(1) - 1).unwrap_or(usize::MAX)
}

fn answers(
    batch: &Batch,
    Changes { ends, others }: &Changes<'_>,
    at_once: &[Option<usize>],
    rows: &[Row],
    known: &Known,
) -> Result<Answers, StoreError> {
    let mut inserts = vec![None; batch.inserts.len()];
    let mut changes: Vec<_> = batch.changes.iter().map(|_| Changed::Missing).collect();
    let mut claims: Vec<_> = batch.claims.iter().map(|_| Taken::default()).collect();
    let record = |row: &Row| row::record(row, known).map_err(StoreError::rejected);
    let place = |changes: &[Numbered<'_>], nth: usize| changes[nth].0;
    for row in rows {
        let nth = nth(row);
        let at = || row.get::<_, Option<i64>>(2);
        let inserted = match row.get::<_, i16>(0) {
            kind::CREATED => Inserted::Created { created: Stamp::from_micros(at().unwrap_or(0)) },
            kind::EXISTING => {
                Inserted::Existing { id: row::job_id(row.get(3)), created: Stamp::from_micros(at().unwrap_or(0)) }
            }
            kind::OTHER_BODY => Inserted::OtherBody,
            kind::FULL => Inserted::Full,
            kind::OVER_QUOTA => Inserted::OverQuota,
            kind::ALL_CREATED => {
                let now = Stamp::from_micros(at().unwrap_or(0));
                inserts.fill(Some(Inserted::Created { created: now }));
                for (insert, claim) in batch.inserts.iter().zip(at_once) {
                    let Some(claim) = *claim else { continue };
                    let (mut record, asked) = (insert.record(now), &batch.claims[claim]);
                    asked.patch.apply(&mut record, Some(asked.token), now);
                    claims[claim].jobs.push(Claimed { record, request: insert.request.clone() });
                }
                continue;
            }
            kind::APPLIED => {
                changes[place(others, nth)] = Changed::Applied(record(row)?);
                continue;
            }
            kind::REFUSED => {
                changes[place(others, nth)] = Changed::Refused(record(row)?);
                continue;
            }
            kind::ENDED => {
                changes[place(ends, nth)] = Changed::Applied(record(row)?);
                continue;
            }
            kind::NOT_ENDED => {
                let changed = &mut changes[place(ends, nth)];
                // What ended right now comes here too.
                if !matches!(changed, Changed::Applied(_)) {
                    *changed = Changed::Refused(record(row)?);
                }
                continue;
            }
            kind::TAKEN | kind::HELD_ALREADY => {
                // One that cannot be read is passed over: it must not take others with it.
                let record = row::record(row, known).ok();
                claims[nth].jobs.extend(record.map(|record| Claimed { record, request: row::request(row) }));
                continue;
            }
            kind::HELD_BACK => {
                let micros = at().map(|micros| micros.max(0).unsigned_abs());
                claims[nth].after = micros.map(std::time::Duration::from_micros);
                continue;
            }
            _ => continue,
        };
        inserts[nth] = Some(inserted);
    }
    for taken in &mut claims {
        taken.jobs.sort_by_key(|job| (job.record.rank, job.record.job.id));
    }
    let missing = || StoreError::unavailable("Postgres left an insert without an answer");
    let inserts = inserts.into_iter().map(|inserted| inserted.ok_or_else(missing)).collect::<Result<_, _>>()?;
    Ok(Answers { inserts, changes, claims })
}

/// A duration in microseconds, or the longest that there is.
fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A number, or the largest that is kept.
fn bounded(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Whether a claim takes whichever jobs are next.
fn takes_next(pick: &Pick) -> bool {
    matches!(pick, Pick::Next { .. })
}
