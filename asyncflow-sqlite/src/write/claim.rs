//! Jobs are taken.

use asyncflow_core::{
    Record, Token,
    store::{Claim, Claimed, Part, Patch, Pick},
};
use rusqlite::Params;

use super::Work;
use crate::{
    failure::Result,
    row::{self, blob},
};

type Found = (Record, Part);

impl Work<'_> {
    pub(super) fn claim(&mut self, claim: &Claim) -> Result<Vec<Claimed>> {
        let held = self.held(claim.token)?;
        if !held.is_empty() {
            // Asked again: the same jobs, their leases renewed, and nothing that a reader would see.
            let renew = Patch { due: claim.patch.due, quiet: true, ..Patch::default() };
            return self.take(held, &renew, None);
        }
        let found = match &claim.pick {
            Pick::Job(job) => match self.names.flow(self.db, &job.flow)? {
                Some(flow) => {
                    let sql = include_str!("../../queries/ready_by_id.sql");
                    self.find(sql, (flow, blob(job.id.as_u128())), 1, usize::MAX)?
                }
                None => Vec::new(),
            },
            Pick::Next { flow, versions, jobs, bytes } => match self.names.flow(self.db, flow)? {
                Some(flow) => self.next(flow, versions, *jobs, *bytes)?,
                None => Vec::new(),
            },
        };
        self.take(found, &claim.patch, Some(claim.token))
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
        for version in versions {
            let sql = include_str!("../../queries/next_ready.sql");
            ready.extend(self.find(sql, (flow, version), jobs, bytes)?);
        }
        ready.sort_by_key(by_rank);
        let mut room = Room { jobs, bytes, empty: true };
        let fit = ready.iter().take_while(|(_, request)| room.takes(request)).count();
        ready.truncate(fit);
        Ok(ready)
    }

    /// The first jobs of a query, up to so many and so many bytes of requests. It is not the query that ends at a limit: a bound one has
    /// SQLite prepare it anew at every run.
    fn find(&mut self, sql: &str, params: impl Params, jobs: usize, bytes: usize) -> Result<Vec<Found>> {
        let mut query = self.db.prepare_cached(sql)?;
        let (mut rows, mut found) = (query.query(params)?, Vec::new());
        let mut room = Room { jobs, bytes, empty: true };
        while room.jobs > 0 {
            let Some(row) = rows.next()? else { break };
            let both = row::record(row, self.db, self.names).and_then(|record| Ok((record, row::request(row)?)));
            let Some((record, request)) = row::readable(both)? else { continue };
            if !room.takes(&request) {
                break;
            }
            found.push((record, request));
        }
        Ok(found)
    }

    fn take(&mut self, found: Vec<Found>, patch: &Patch, token: Option<Token>) -> Result<Vec<Claimed>> {
        let take = |(record, request)| Ok(Claimed { record: self.apply(record, patch, token)?, request });
        found.into_iter().map(take).collect()
    }
}

fn by_rank((record, _): &Found) -> (i64, asyncflow_core::JobId) {
    (record.rank, record.job.id)
}

/// What a claim may take still; the first job fits, however large.
struct Room {
    jobs: usize,
    bytes: usize,
    empty: bool,
}

impl Room {
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
