//! From a path to an open file.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use asyncflow_core::store::{Hints, StoreError};
use rusqlite::{Connection, OpenFlags};

use crate::{
    builder::{SqliteStoreBuilder, Synchronous},
    clock::OneWay,
    failure::Failure,
    file::File,
    names::Names,
    presence::Presence,
    read::Reader,
    schema::{self, Obstacle},
    threads::{Pulse, Threads},
    write::Writer,
};

/// How often news of other processes is looked for.
const LISTENING: Duration = Duration::from_millis(250);

/// Statements that a connection keeps prepared: more than there are.
const STATEMENTS: usize = 64;

pub(crate) fn open(settings: &SqliteStoreBuilder) -> Result<File, StoreError> {
    let named = absolute(&settings.path)?;
    let db = connect(&named, settings).map_err(|error| Failure::Sql(error).of(&named))?;
    // Before anything is changed: another application's file is left as it is.
    schema::identify(&db).map_err(|obstacle| explain(obstacle, &named))?;
    let path: Arc<Path> = resolve(&named)?.into();
    let failed = |error: rusqlite::Error| Failure::Sql(error).of(&path);
    let (presence, alone) = Presence::enter(&path)?;
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        let path = path.display();
        return Err(StoreError::unusable(format_args!(
            "`{path}` cannot be written ahead there: use a disk of this machine"
        )));
    }
    schema::migrate(&db, alone, settings.patience).map_err(|obstacle| explain(obstacle, &path))?;
    let (clock, hints) = (Arc::new(OneWay::new(settings.clock.clone())), Hints::new());
    let mut writer = Writer::new(db, path.clone(), clock.clone(), hints.clone(), settings.patience)?;
    if alone {
        writer.lapse()?;
        presence
            .share()
            .map_err(|error| StoreError::unavailable(format_args!("`{}` cannot be shared: {error}", path.display())))?;
    }
    let mut readers = Vec::new();
    for _ in 0..settings.readers {
        let db = connect(&path, settings).map_err(failed)?;
        db.pragma_update(None, "query_only", true).map_err(failed)?;
        readers.push(Reader { db, names: Names::default(), path: path.clone(), settings: Arc::default() });
    }
    let unstarted = |error: io::Error| StoreError::unavailable(format_args!("no thread could be started: {error}"));
    Ok(File {
        readers: Threads::start("asyncflow-sqlite-read", readers, None).map_err(unstarted)?,
        writer: Threads::start(
            "asyncflow-sqlite-write",
            vec![writer],
            Some(Pulse { every: LISTENING, what: Writer::listen }),
        )
        .map_err(unstarted)?,
        path,
        clock,
        hints,
        _presence: presence,
    })
}

/// The path of a file that is there or can be made.
fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    let unusable = |what: &str| StoreError::unusable(format_args!("`{}` {what}", path.display()));
    let absolute = std::path::absolute(path).map_err(|error| unusable(&format!("is no path: {error}")))?;
    if absolute.is_dir() {
        return Err(unusable("is a folder: name a file"));
    }
    match absolute.parent() {
        None => Err(unusable("names no file")),
        Some(folder) if !folder.is_dir() => Err(unusable("has no folder to lie in: make that first")),
        Some(_) => Ok(absolute),
    }
}

/// One path for one file that is there, whichever way it was named: the lock lies beside it.
fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    path.canonicalize()
        .map_err(|error| StoreError::unusable(format_args!("`{}` cannot be found again: {error}", path.display())))
}

fn connect(path: &Path, settings: &SqliteStoreBuilder) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(settings.patience)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    let (synchronous, disk) = match settings.synchronous {
        Synchronous::Full => ("FULL", true),
        Synchronous::Normal => ("NORMAL", false),
    };
    db.pragma_update(None, "synchronous", synchronous)?;
    // Where a sync alone does not reach the disk itself (macOS); elsewhere these mean nothing.
    db.pragma_update(None, "fullfsync", disk)?;
    db.pragma_update(None, "checkpoint_fullfsync", disk)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    // What is replaced goes with all that belongs to it.
    db.pragma_update(None, "recursive_triggers", true)?;
    // What a burst made of the log is given back.
    db.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(db)
}

fn explain(obstacle: Obstacle, path: &Path) -> StoreError {
    let newest = schema::NEWEST;
    let shown = path.display();
    match obstacle {
        Obstacle::Foreign => {
            StoreError::unusable(format_args!("`{shown}` is the database of another application: name another file"))
        }
        Obstacle::Newer(schema) => StoreError::unusable(format_args!(
            "`{shown}` is of schema {schema}, and this version works with schema {newest}: use a newer version"
        )),
        Obstacle::InUse(schema) => StoreError::unusable(format_args!(
            "`{shown}` is of schema {schema}, and another process works with it: stop that, and it becomes schema {newest}"
        )),
        Obstacle::Sql(error) => Failure::Sql(error).of(path),
    }
}
