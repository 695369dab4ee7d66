//! What goes wrong within, and what callers are told of it.

use std::{fmt, path::Path};

use asyncflow_core::store::StoreError;
use rusqlite::ErrorCode;

pub(crate) type Result<T> = std::result::Result<T, Failure>;

#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite refused.
    Sql(rusqlite::Error),
    /// A row that this version cannot read, named.
    Unreadable(String),
    /// An entry that can never be taken, and why.
    Rejected(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Failure {
    /// The error of the store in this file.
    pub(crate) fn of(self, path: &Path) -> StoreError {
        let path = path.display();
        let error = match self {
            Self::Sql(error) => error,
            Self::Unreadable(what) => return StoreError::rejected(format_args!("`{path}`: {what}")),
            Self::Rejected(why) => return StoreError::rejected(why),
        };
        let mend = |what: fmt::Arguments<'_>| StoreError::unusable(format_args!("`{path}` {what} ({error})"));
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::unavailable(format_args!(
                "`{path}` is busy: another process has been writing to it for too long"
            )),
            Some(ErrorCode::DiskFull) => mend(format_args!("has no room left: free some on its disk")),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                mend(format_args!("is read-only: let this process write to it and to its folder"))
            }
            Some(ErrorCode::CannotOpen) => {
                mend(format_args!("cannot be opened: see that its folder exists and that this process may write there"))
            }
            Some(ErrorCode::DatabaseCorrupt) => mend(format_args!(
                "is damaged: put a backup in its place, or save what is left with sqlite3's `.recover`"
            )),
            Some(ErrorCode::NotADatabase) => mend(format_args!("is no SQLite database: name another file")),
            Some(ErrorCode::TooBig) => StoreError::rejected(format_args!("`{path}` takes nothing so large")),
            Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory) => {
                StoreError::unavailable(format_args!("`{path}` could not be read or written: {error}"))
            }
            _ => mend(format_args!("does not work as it should")),
        }
    }
}
