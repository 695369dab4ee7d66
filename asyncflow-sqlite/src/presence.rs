//! Who has a file open: every process holds a lock on a file beside it, shared; who gets it alone knows that nobody else is there.
//!
//! The lock is of the open file (`flock`), so it ends with the process, however that ends, and not sooner. It is not the database that is
//! locked: closing any handle of that would let SQLite's own locks go.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use asyncflow_core::store::StoreError;

/// How long the one before may take to go: it has ended, but is not gone yet.
const GOING: Duration = Duration::from_millis(250);
/// How long another may take to open the file.
const OPENING: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Presence {
    lock: File,
}

impl Presence {
    /// Makes this process's presence known, and says whether it is alone. Alone, it holds all others off until it [`share`](Self::share)s.
    pub(crate) fn enter(database: &Path) -> Result<(Self, bool), StoreError> {
        let mut path = database.as_os_str().to_owned();
        path.push("-lock");
        let path = Path::new(&path);
        let lock = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let lock = lock.map_err(|error| {
            let path = path.display();
            StoreError::unusable(format_args!(
                "`{path}` cannot be written: let this process write to its folder ({error})"
            ))
        })?;
        if patiently(path, GOING, || lock.try_lock())? {
            return Ok((Self { lock }, true));
        }
        if patiently(path, OPENING, || lock.try_lock_shared())? {
            return Ok((Self { lock }, false));
        }
        let database = database.display();
        Err(StoreError::unavailable(format_args!("another process has been opening `{database}` for {OPENING:?}")))
    }

    /// Lets others in. In between somebody else may be alone for a moment, so nothing may have been claimed yet.
    pub(crate) fn share(&self) -> io::Result<()> {
        self.lock.unlock()?;
        self.lock.lock_shared()
    }
}

/// Tries for a lock for so long, and says whether it is held.
fn patiently(path: &Path, patience: Duration, lock: impl Fn() -> Result<(), TryLockError>) -> Result<bool, StoreError> {
    let end = Instant::now() + patience;
    loop {
        match lock() {
            Ok(()) => return Ok(true),
            // A file's lock can be waited for without an end, or not at all: so it is tried. This thread is the opener's own.
            Err(TryLockError::WouldBlock) if Instant::now() < end => sleep(Duration::from_millis(10)),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => {
                let path = path.display();
                return Err(StoreError::unusable(format_args!(
                    "`{path}` cannot be locked: use a disk of this machine ({error})"
                )));
            }
        }
    }
}
