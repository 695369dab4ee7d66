//! Jobs are taken.

use asyncflow_core::{
    JobId, Limits, Record, Token,
    store::{Claim, Claimed, Part, Patch, Pick, Taken},
};
use rusqlite::Params;

use super::{
    Work,
    gate::{Held, Verdict},
    line::Line,
};
use crate::{
    failure::Result,
    row::{self, blob},
};

type Found = (Record, Part);

impl Work<'_> {
    pub(super) fn claim(&mut self, claim: &Claim) -> Result<Taken> {
        let held = self.held(claim.token)?;
        if !held.is_empty() {
            // Asked again: the same jobs, their leases renewed, and nothing that a reader would see.
            let renew = Patch { due: claim.patch.due, quiet: true, ..Patch::default() };
            return Ok(Taken { jobs: self.take(held, &renew, None)?, after: None });
        }
        let name = match &claim.pick {
            Pick::Job(job) => &job.flow,
            Pick::Next { flow, .. } => flow,
        };
        let Some(flow) = self.names.flow(self.db, name)? else { return Ok(Taken::default()) };
        let (found, after) = match (&claim.pick, claim.limits.as_deref()) {
            (Pick::Job(job), limits) => self.one(flow, job.id, limits)?,
            (Pick::Next { versions, jobs, bytes, .. }, None) => (self.next(flow, versions, *jobs, *bytes)?, None),
            (Pick::Next { versions, jobs, bytes, .. }, Some(limits)) => {
                self.next_within(flow, versions, Room::new(*jobs, *bytes), limits)?
            }
        };
        Ok(Taken { jobs: self.take(found, &claim.patch, Some(claim.token))?, after })
    }

    /// One job, if it is ready and may start.
    fn one(&mut self, flow: i64, id: JobId, limits: Option<&Limits>) -> Result<(Vec<Found>, Held)> {
        let found = self.ready(flow, id)?;
        let (Some((record, _)), Some(limits)) = (found.first(), limits) else { return Ok((found, None)) };
        let mut gate = self.gate(flow, limits)?;
        match self.admit(&mut gate, record.limited_by())? {
            Verdict::Starts => {
                self.count(&mut gate, record.limited_by())?;
                Ok((found, None))
            }
            Verdict::KeyWaits => Ok((Vec::new(), gate.wait())),
            Verdict::FlowWaits(held) => Ok((Vec::new(), held)),
        }
    }

    /// The first ready jobs of some versions of a flow that may start, by rank; and for how long others are held back.
    fn next_within(
        &mut self,
        flow: i64,
        versions: &[u16],
        mut room: Room,
        limits: &Limits,
    ) -> Result<(Vec<Found>, Held)> {
        let (mut gate, mut found) = (self.gate(flow, limits)?, Vec::new());
        let mut lines: Vec<_> = each(versions).map(|version| Line::new(flow, version)).collect();
        while room.jobs > 0 {
            let mut first = None;
            for line in &mut lines {
                let next = line.first(self.db, &gate)?.map(|next| (next, line));
                first = first.into_iter().chain(next).min_by_key(|(next, _)| next.place);
            }
            let Some((next, line)) = first else { return Ok((found, gate.wait())) };
            match self.admit(&mut gate, next.key.as_ref())? {
                Verdict::Starts => {}
                Verdict::KeyWaits => continue,
                Verdict::FlowWaits(held) => return Ok((found, held)),
            }
            line.pop(self.db, &next)?;
            let Some(ready) = self.ready(flow, next.place.1)?.pop() else { continue };
            if !room.takes(&ready.1) {
                break;
            }
            self.count(&mut gate, next.key.as_ref())?;
            found.push(ready);
        }
        Ok((found, None))
    }

    /// A job, if it is ready.
    fn ready(&mut self, flow: i64, id: JobId) -> Result<Vec<Found>> {
        self.find(include_str!("../../queries/ready_by_id.sql"), (flow, blob(id.as_u128())), 1, usize::MAX)
    }

    /// Jobs that are held under a token, by rank.
    fn held(&mut self, token: Token) -> Result<Vec<Found>> {
        let sql = include_str!("../../queries/held.sql");
        let mut held = self.find(sql, [blob(token.as_u128())], usize::MAX, usize::MAX)?;
        held.sort_by_key(by_rank);
        Ok(held)
    }

    /// Ready jobs of some versions of a flow, by rank.
    fn next(&mut self, flow: i64, versions: &[u16], jobs: usize, bytes: usize) -> Result<Vec<Found>> {
        let mut ready = Vec::new();
        let keyed = self.counting.keyed(self.db, flow)? > 0;
        for version in each(versions) {
            ready.extend(self.find(include_str!("../../queries/next_ready.sql"), (flow, version), jobs, bytes)?);
            if keyed {
                ready.extend(self.find(include_str!("../../queries/next_keyed.sql"), (flow, version), jobs, bytes)?);
            }
        }
        ready.sort_by_key(by_rank);
        let mut room = Room::new(jobs, bytes);
        let fit = ready.iter().take_while(|(_, request)| room.takes(request)).count();
        ready.truncate(fit);
        Ok(ready)
    }

    /// The first jobs of a query, up to so many, or with the first one whose request is too large beside theirs: what another query finds
    /// behind that one may not be taken before it. It is not the query that ends at a limit: a bound one has
    /// SQLite prepare it anew at every run.
    fn find(&mut self, sql: &str, params: impl Params, jobs: usize, bytes: usize) -> Result<Vec<Found>> {
        let mut query = self.db.prepare_cached(sql)?;
        let (mut rows, mut found) = (query.query(params)?, Vec::new());
        let mut room = Room::new(jobs, bytes);
        while room.jobs > 0 {
            let Some(row) = rows.next()? else { break };
            let both =
                row::record(row, self.db, self.names).and_then(|record| Ok((record, row::request(row, self.db)?)));
            let Some(both) = row::readable(both)? else { continue };
            let fits = room.takes(&both.1);
            found.push(both);
            if !fits {
                break;
            }
        }
        Ok(found)
    }

    fn take(&mut self, found: Vec<Found>, patch: &Patch, token: Option<Token>) -> Result<Vec<Claimed>> {
        let take = |(record, request)| Ok(Claimed { record: self.apply(record, patch, token)?, request });
        found.into_iter().map(take).collect()
    }
}

/// Each version once, however often it is named.
fn each(versions: &[u16]) -> impl Iterator<Item = u16> {
    let named = versions.iter().enumerate();
    named.filter(|(nth, version)| !versions[..*nth].contains(version)).map(|(_, version)| *version)
}

fn by_rank((record, _): &Found) -> (i64, JobId) {
    (record.rank, record.job.id)
}

/// What a claim may take still; the first job fits, however large.
struct Room {
    jobs: usize,
    bytes: usize,
    empty: bool,
}

impl Room {
    fn new(jobs: usize, bytes: usize) -> Self {
        Self { jobs, bytes, empty: true }
    }

    fn takes(&mut self, request: &Part) -> bool {
        let size = request.bytes.len();
        let fits = self.jobs > 0 && (std::mem::take(&mut self.empty) || size <= self.bytes);
        if fits {
            self.jobs -= 1;
            self.bytes = self.bytes.saturating_sub(size);
        }
        fits
    }
}
