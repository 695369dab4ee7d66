//! New jobs.

use asyncflow_core::{
    JobId, Record, Stamp, State,
    store::{Insert, Inserted, Part, PartName},
};
use rusqlite::{OptionalExtension, params};

use super::Work;
use crate::{
    failure::{Failure, Result},
    file::LARGEST_PART,
    row::{self, FORMAT, bits, blob, or_nobody},
};

/// Bytes of a part, its media type included, that fit on a page of parts with all else: SQLite keeps 1002 bytes of a row there.
const MOST_INLINE: usize = 900;

impl Work<'_> {
    pub(super) fn insert(&mut self, insert: &Insert) -> Result<Inserted> {
        let flow = self.names.add_flow(self.db, &insert.job.flow, self.now)?;
        if let Some(created) = self.created(flow, insert.job.id)? {
            return Ok(Inserted::Existing { id: insert.job.id, created });
        }
        if let Some(used) = self.used(flow, insert)? {
            return Ok(used);
        }
        match self.live(flow, insert)? {
            Some(other) => match insert.unique.as_ref().and_then(|unique| unique.replace.as_ref()) {
                // It has that one's room.
                Some(replace) if other.state.is_waiting() => drop(self.apply(other, replace, None)?),
                _ => {
                    let (id, created) = (other.job.id, other.created);
                    self.put_key(flow, insert, id, created)?;
                    return Ok(Inserted::Existing { id, created });
                }
            },
            None => {
                if let Some(refused) = self.no_room(flow, insert)? {
                    return Ok(refused);
                }
            }
        }
        let mut record = insert.record(self.now);
        self.counting.came(self.db, flow, &mut record, true)?;
        self.add(flow, &record)?;
        self.put_part(flow, record.job.id, PartName::Request, &insert.request)?;
        self.put_key(flow, insert, record.job.id, record.created)?;
        if record.state == State::Enqueued {
            self.news.ready(&record.job.flow);
        }
        Ok(Inserted::Created { created: record.created })
    }

    fn created(&self, flow: i64, id: JobId) -> Result<Option<Stamp>> {
        let mut created = self.db.prepare_cached(include_str!("../../queries/created.sql"))?;
        let created = created.query_row((flow, blob(id.as_u128())), |row| row.get(0)).optional()?;
        Ok(created.map(Stamp::from_micros))
    }

    /// What an insert's key was used for before.
    fn used(&self, flow: i64, insert: &Insert) -> Result<Option<Inserted>> {
        let Some(idempotency) = &insert.idempotency else { return Ok(None) };
        let mut key = self.db.prepare_cached(include_str!("../../queries/key.sql"))?;
        let used = key.query_row(
            params![flow, or_nobody(insert.owner.as_ref()), &*idempotency.key, self.now.as_micros()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        );
        Ok(used.optional()?.map(|(id, created, fingerprint)| {
            if bits(fingerprint) != idempotency.fingerprint {
                return Inserted::OtherBody;
            }
            Inserted::Existing { id: JobId::from_u128(bits(id)), created: Stamp::from_micros(created) }
        }))
    }

    /// The job that lives under an insert's unique key.
    fn live(&mut self, flow: i64, insert: &Insert) -> Result<Option<Record>> {
        let Some(unique) = &insert.unique else { return Ok(None) };
        let mut live = self.db.prepare_cached(include_str!("../../queries/live.sql"))?;
        let mut rows = live.query(params![flow, or_nobody(insert.owner.as_ref()), &*unique.key])?;
        rows.next()?.map(|row| row::record(row, self.db, self.names)).transpose()
    }

    /// How an insert is refused for which there is no room.
    fn no_room(&mut self, flow: i64, insert: &Insert) -> Result<Option<Inserted>> {
        if let (Some(owner), Some(most)) = (&insert.owner, insert.room.waiting_per_owner)
            && self.counting.owner_waiting(self.db, flow, Some(owner))? >= most
        {
            return Ok(Some(Inserted::OverQuota));
        }
        let states = self.counting.states(self.db, flow)?;
        let waiting = states[State::Scheduled as usize] + states[State::Enqueued as usize];
        Ok((waiting >= insert.room.waiting).then_some(Inserted::Full))
    }

    fn add(&mut self, flow: i64, record: &Record) -> Result<()> {
        let policy = self.names.add_policy(self.db, &record.policy)?;
        let mut add = self.db.prepare_cached(include_str!("../../queries/insert.sql"))?;
        add.execute(params![
            flow,
            blob(record.job.id.as_u128()),
            FORMAT,
            record.flow_version,
            record.state as i64,
            record.version,
            record.created.as_micros(),
            record.due.as_micros(),
            record.rank,
            record.priority,
            record.owner.as_deref(),
            policy,
            record.limit_key.as_deref(),
            record.unique_key.as_deref(),
        ])?;
        Ok(())
    }

    pub(super) fn put_part(&self, flow: i64, id: JobId, name: PartName, part: &Part) -> Result<()> {
        let size = part.bytes.len();
        if size > LARGEST_PART {
            return Err(Failure::Rejected(format!("{size} bytes are more than a part may have ({LARGEST_PART})")));
        }
        let (content_type, bytes) = (part.content_type.as_str(), &part.bytes[..]);
        let (bytes, large) = match content_type.len() + size {
            0..=MOST_INLINE => (bytes, None),
            _ => {
                self.db.prepare_cached(include_str!("../../queries/put_large.sql"))?.execute([bytes])?;
                (&[][..], Some(self.db.last_insert_rowid()))
            }
        };
        let mut put = self.db.prepare_cached(include_str!("../../queries/put_part.sql"))?;
        put.execute(params![flow, blob(id.as_u128()), name as i64, content_type, bytes, large])?;
        Ok(())
    }

    /// An insert's key is used for this job.
    fn put_key(&self, flow: i64, insert: &Insert, id: JobId, created: Stamp) -> Result<()> {
        let Some(idempotency) = &insert.idempotency else { return Ok(()) };
        let now = self.now.as_micros();
        let mut put = self.db.prepare_cached(include_str!("../../queries/put_key.sql"))?;
        put.execute(params![
            flow,
            or_nobody(insert.owner.as_ref()),
            &*idempotency.key,
            blob(id.as_u128()),
            created.as_micros(),
            blob(idempotency.fingerprint),
            (self.now + idempotency.keep).as_micros(),
        ])?;
        self.db.prepare_cached(include_str!("../../queries/drop_ended_keys.sql"))?.execute([now])?;
        Ok(())
    }
}
