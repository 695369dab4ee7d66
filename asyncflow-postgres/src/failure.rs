//! What goes wrong, and what callers are told of it. No message holds what was connected with.

use asyncflow_core::store::StoreError;
use tokio_postgres::{Error, error::SqlState};

/// Raised by our functions where a row cannot be read by this version.
const UNREADABLE: &str = "AF001";

/// How rustls begins to say that a server is not the one that it should be: no later try will see another.
const UNTRUSTED: &str = "invalid peer certificate";

/// The error that stands for a failure of Postgres or of the connection to it.
pub(crate) fn of(error: &Error) -> StoreError {
    let Some(refusal) = error.as_db_error() else {
        let said = format!("Postgres cannot be reached: {}", causes(error));
        return if said.contains(UNTRUSTED) { StoreError::unusable(said) } else { StoreError::unavailable(said) };
    };
    let code = refusal.code();
    let said = format!("Postgres says: {} ({})", refusal.message(), code.code());
    match code.code() {
        UNREADABLE => return StoreError::rejected(refusal.message()),
        // A full disk, no memory, a read-only server that was just promoted away from: nothing was done.
        "53100" => return StoreError::unusable(format_args!("{said}: free some room on its disk")),
        "26000" | "42P05" => {
            return StoreError::unavailable(format_args!("{said}: behind a pool of transactions, set `listen(false)`"));
        }
        "25006" => return StoreError::unavailable(format_args!("{said}: it is a replica; connect to the primary")),
        _ => {}
    }
    match &code.code()[..2] {
        // Data that fits no column: text with a zero byte, a number out of range, a name too long for an index.
        "22" | "54" => StoreError::rejected(said),
        // Connections, resources, locks, shut-downs, conflicts: they may pass.
        "08" | "0A" | "23" | "40" | "53" | "55" | "57" | "58" => StoreError::unavailable(said),
        "28" | "3D" | "42" | "3F" => {
            StoreError::unusable(format_args!("{said}: see that its schema and the role's rights are as they were"))
        }
        _ => StoreError::unusable(said),
    }
}

/// A connection that ended before it was of use.
pub(crate) fn closed() -> StoreError {
    StoreError::unavailable("Postgres closed a connection that was just made")
}

/// The server knows flows and policies by other numbers than those that it gave: it lost the last ones when another took its place.
pub(crate) fn renumbered() -> StoreError {
    StoreError::unavailable("Postgres has lost what it had answered, and is asked anew")
}

/// Whether another transaction stood in the way: what was asked may be asked again, and nothing of it was done.
pub(crate) fn collided(error: &Error) -> bool {
    let collisions = [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE, SqlState::UNIQUE_VIOLATION];
    error.code().is_some_and(|code| collisions.contains(code))
}

/// An error with what caused it.
fn causes(error: &Error) -> String {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_said = cause.to_string();
        if !said.contains(&cause_said) {
            said = format!("{said}: {cause_said}");
        }
        source = cause.source();
    }
    said
}
