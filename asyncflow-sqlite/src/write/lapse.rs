//! Leases that nobody can hold any more.

use asyncflow_core::{
    state::{self, Event},
    store::StoreError,
};

use super::{Work, Writer};
use crate::{failure::Result, row};

impl Writer {
    /// Ends all leases: nobody else has the file open, so whoever held them is gone. What they ran goes on at once.
    pub(crate) fn lapse(&mut self) -> std::result::Result<(), StoreError> {
        self.transaction(|work| {
            for record in work.all_held()? {
                if let Ok((_, patch)) = state::decide(&record, Event::LeaseLost) {
                    work.apply(record, &patch, None)?;
                }
            }
            Ok(())
        })
    }
}

impl Work<'_> {
    fn all_held(&mut self) -> Result<Vec<asyncflow_core::Record>> {
        let mut query = self.db.prepare_cached(include_str!("../../queries/all_held.sql"))?;
        let (mut rows, mut held) = (query.query([])?, Vec::new());
        while let Some(row) = rows.next()? {
            held.extend(row::readable(row::record(row, self.db, self.names))?);
        }
        Ok(held)
    }
}
