//! What goes wrong on the way or in the server, and what callers are told of it. Nothing here shows a password.

use std::error::Error;

use asyncflow_core::store::StoreError;
use redis::{ErrorKind, RedisError, ServerError};

/// How rustls begins to say that a server is not the one that it should be: no later try will see another.
const UNTRUSTED: &str = "invalid peer certificate";

/// What a connection said, of the server of this name.
pub(crate) fn of_connection(error: &RedisError, server: &str) -> StoreError {
    match error.kind() {
        ErrorKind::AuthenticationFailed => refused_user(server),
        ErrorKind::InvalidClientConfig => {
            StoreError::unusable(format_args!("{server} cannot be connected to: {}", error.category()))
        }
        _ => match error.code() {
            Some(code) => of_code(code, error.detail().unwrap_or_default(), server),
            None => {
                let cause = error.source().map_or_else(|| error.category().to_owned(), ToString::to_string);
                let said = format!("{server} cannot be reached: {cause}");
                if cause.contains(UNTRUSTED) { StoreError::unusable(said) } else { StoreError::unavailable(said) }
            }
        },
    }
}

/// What the server answered.
pub(crate) fn of_answer(error: &ServerError, server: &str) -> StoreError {
    of_code(code(error), error.details().unwrap_or_default(), server)
}

/// What is meant: servers before 7 put what went wrong within a script behind words of their own.
pub(crate) fn code(error: &ServerError) -> &str {
    let within = || {
        let detail = error.details().filter(|detail| detail.contains("user_script"))?;
        let words = detail.split(|letter: char| !letter.is_ascii_uppercase());
        words
            .into_iter()
            .find(|word| ["OOM", "MISCONF", "READONLY", "WRONGTYPE", "NOPERM", "NOREPLICAS"].contains(word))
    };
    match error.code() {
        "ERR" => within().unwrap_or("ERR"),
        code => code,
    }
}

pub(crate) fn timed_out(server: &str) -> StoreError {
    StoreError::unavailable(format_args!("{server} did not answer in time"))
}

/// An answer that no server of ours gives.
pub(crate) fn odd(server: &str) -> StoreError {
    StoreError::unavailable(format_args!("{server} gave an answer that makes no sense"))
}

/// What is wrong with a URL, which is not shown: it may hold a password.
pub(crate) fn of_url(error: &RedisError) -> StoreError {
    StoreError::unusable(format_args!(
        "the URL names no server ({}): it is `redis://[user:password@]host[:port][/database]`, or `rediss://…` where the `tls` feature is on",
        error.category()
    ))
}

/// Whether a connection has to be made anew after this answer: it leads to a server that takes no writes any more.
pub(crate) fn is_demoted(error: &ServerError) -> bool {
    matches!(code(error), "READONLY" | "MASTERDOWN")
}

/// A server that answers nobody: it has as many connections as it may.
pub(crate) fn full(server: &str) -> StoreError {
    StoreError::unavailable(format_args!("{server} takes no more connections now: see its `maxclients`"))
}

fn refused_user(server: &str) -> StoreError {
    StoreError::unusable(format_args!(
        "{server} does not let this user in: see to the user and the password in the URL"
    ))
}

fn of_code(code: &str, detail: &str, server: &str) -> StoreError {
    let mend = |what: &str| StoreError::unusable(format_args!("{server} {what}"));
    match code {
        "OOM" => mend("has no memory left: raise its `maxmemory`, or keep ended jobs for less time"),
        "MISCONF" => mend("cannot write to its disk: free some room there, or see its log"),
        "NOAUTH" | "WRONGPASS" => refused_user(server),
        "NOPERM" => mend(&format!(
            "does not let this user do what is needed: let it run all commands on the keys and channels of the prefix ({detail})"
        )),
        "WRONGTYPE" => mend("has something else in the place of a key of ours: choose another prefix"),
        "MOVED" | "CROSSSLOT" => {
            mend("is part of a cluster, which this store does not work with yet: name a single server")
        }
        // NOSCRIPT: it was started anew between being told the scripts and being asked.
        "READONLY" | "MASTERDOWN" | "LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "NOREPLICAS" | "NOSCRIPT" => {
            StoreError::unavailable(format_args!("{server} does not take this now ({code})"))
        }
        _ => mend(&format!("does not work as it should ({code} {detail})")),
    }
}
