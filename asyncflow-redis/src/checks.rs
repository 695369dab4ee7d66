//! Whether a server can be used, and what its users should know of it.

use asyncflow_core::store::StoreError;
use redis::{Pipeline, Value};

use crate::{failure, link::Link};

/// The oldest version that has what the scripts call.
const OLDEST: (u32, u32) = (6, 2);

/// Sees whether the server is new enough, and warns where it may lose jobs.
pub(crate) async fn look_at(link: &Link) -> Result<(), StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("INFO").arg("server").cmd("INFO").arg("persistence").cmd("CONFIG").arg("GET").arg("maxmemory-policy");
    ask.cmd("CONFIG").arg("GET").arg("save");
    let mut answers = link.ask(&ask).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let server = next();
    if let Value::ServerError(error) = &server {
        // A user that may not even ask for the version: whatever is missing is told when it is needed.
        if error.code() != "NOPERM" {
            return Err(failure::of_answer(error, link.server()));
        }
    }
    let version = text(server).and_then(|info| version(&info));
    if let Some((major, minor)) = version.filter(|version| *version < OLDEST) {
        return Err(StoreError::unusable(format_args!(
            "{} is of version {major}.{minor}: 6.2 is the oldest that can be used",
            link.server()
        )));
    }
    warn(link.server(), text(next()), setting(next()), setting(next()));
    Ok(())
}

fn warn(server: &str, persistence: Option<String>, eviction: Option<String>, save: Option<String>) {
    match (persistence, &save) {
        (Some(info), Some(save)) => {
            if info.contains("aof_enabled:0") && save.is_empty() {
                tracing::warn!(
                    server,
                    "the server keeps nothing on its disk: all jobs are lost when it stops (see `appendonly`)"
                );
            }
        }
        _ => {
            tracing::warn!(server, "whether the server keeps jobs on its disk could not be seen: its user may not ask")
        }
    }
    match eviction.as_deref() {
        Some("noeviction") => {}
        Some(policy) => {
            tracing::warn!(
                server,
                policy,
                "the server may evict jobs where memory is short: set `maxmemory-policy` to `noeviction`"
            );
        }
        None => tracing::warn!(server, "whether the server may evict jobs could not be seen: its user may not ask"),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// The value that `CONFIG GET` of one setting answers.
fn setting(value: Value) -> Option<String> {
    match value {
        Value::Array(both) => both.into_iter().nth(1).and_then(text),
        Value::Map(all) => all.into_iter().next().and_then(|(_, value)| text(value)),
        _ => None,
    }
}

fn version(info: &str) -> Option<(u32, u32)> {
    // Valkey calls the version of Redis that it stands for so, and its own by another name.
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"))?;
    let mut parts = version.trim().split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_of_both_servers() {
        assert_eq!(version("# Server\r\nredis_version:6.0.16\r\nredis_mode:standalone\r\n"), Some((6, 0)));
        assert_eq!(
            version("# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n"),
            Some((7, 2))
        );
        assert_eq!(version("redis_version:unstable"), None);
        assert!((6, 10) > OLDEST && (6, 0) < OLDEST);
    }
}
