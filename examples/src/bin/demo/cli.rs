//! The command line, and the environment variables that stand in for its flags.

use std::{ffi::OsString, net::SocketAddr, num::NonZeroUsize, time::Duration};

use clap::{
    CommandFactory, Parser, ValueEnum,
    error::{ContextKind, ContextValue},
};
use http::Uri;

use crate::store::StoreChoice;

/// A server with flows of every kind, to try AsyncFlow on.
///
/// It answers GET /health beside the flows. SIGTERM and ctrl-c end it once what runs has ended, or after 30 seconds; a second one at once.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
pub(crate) struct Options {
    /// Where to listen; port 0 takes any free one
    #[arg(long, env = "ASYNCFLOW_ADDR", value_name = "IP:PORT", default_value = "127.0.0.1:8080", value_parser = addr)]
    pub(crate) addr: SocketAddr,

    /// Where jobs live: memory, sqlite:PATH, or a server that nodes share: redis://HOST, postgres://HOST/DATABASE
    #[arg(long, env = "ASYNCFLOW_STORE", value_name = "STORE", default_value = "memory", hide_env_values = true)]
    pub(crate) store: StoreChoice,

    /// What brings jobs to workers
    #[arg(long, env = "ASYNCFLOW_EXECUTOR", value_enum, default_value = "tokio")]
    pub(crate) executor: Executor,

    /// What the endpoints are mounted into
    #[arg(long, env = "ASYNCFLOW_FRAMEWORK", value_enum, default_value = "axum")]
    pub(crate) framework: Framework,

    /// How the members of JSON are called
    #[arg(long, env = "ASYNCFLOW_NAMING", value_enum, default_value = "default")]
    pub(crate) naming: Naming,

    /// The path below which the flows are, such as /api
    #[arg(long, env = "ASYNCFLOW_PREFIX", value_name = "PATH", value_parser = prefix)]
    pub(crate) prefix: Option<String>,

    /// The public URL of the flows, prefix included; URLs in answers are absolute then
    #[arg(long, env = "ASYNCFLOW_BASE_URL", value_name = "URL", value_parser = base_url)]
    pub(crate) base_url: Option<String>,

    /// What this process does: accept jobs, run them, or both
    #[arg(long, env = "ASYNCFLOW_ROLE", value_enum, default_value = "both")]
    pub(crate) role: Role,

    /// Jobs of each flow that run at once
    #[arg(long, env = "ASYNCFLOW_CONCURRENCY", value_name = "N", allow_negative_numbers = true, value_parser = concurrency)]
    pub(crate) concurrency: Option<NonZeroUsize>,

    /// How long a worker holds a job without a heartbeat, at least 1 second, fractions allowed [default: 30]
    #[arg(long, env = "ASYNCFLOW_LEASE", value_name = "SECONDS", allow_negative_numbers = true, value_parser = lease)]
    pub(crate) lease: Option<Duration>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Executor {
    Tokio,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Framework {
    Axum,
    Hyper,
    Warp,
    Poem,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Naming {
    Default,
    Camel,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    Serve,
    Work,
    Both,
}

impl Options {
    /// What the process was started with; where that is wrong, it ends with a word on what would be right.
    pub(crate) fn read() -> Self {
        Self::try_parse().unwrap_or_else(|mut error| {
            hide_passwords(&mut error);
            let source = variable(&error);
            let _ = error.print();
            if let Some(variable) = source {
                eprintln!("\nThe value is that of the environment variable {variable}.");
            }
            std::process::exit(error.exit_code())
        })
    }
}

/// A URL that is wrong may hold a password that is right.
fn hide_passwords(error: &mut clap::Error) {
    let texts = error.context().filter_map(|(kind, value)| match value {
        ContextValue::String(text) => Some((kind, without_password(text)?)),
        _ => None,
    });
    for (kind, text) in texts.collect::<Vec<_>>() {
        error.insert(kind, ContextValue::String(text));
    }
}

/// Just the beginning of a text that looks as if there might be a password in it. Nobody knows where, as it is wrong.
fn without_password(text: &str) -> Option<String> {
    let suspect = ["://", "@", "password"].iter().any(|sign| text.contains(sign));
    suspect.then(|| format!("{}…", text.find([':', '=']).map_or("", |end| &text[..=end])))
}

/// The environment variable that a bad value came from, if it did: that of a flag which was not given.
fn variable(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let flag = argument.split(' ').next()?;
    let name = flag.strip_prefix("--")?;
    let given = |given: OsString| given.to_string_lossy().split('=').next() == Some(flag);
    if std::env::args_os().any(given) {
        return None;
    }
    let command = Options::command();
    let option = command.get_arguments().find(|option| option.get_long() == Some(name))?;
    Some(option.get_env()?.to_string_lossy().into_owned())
}

fn addr(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:8080")
}

fn prefix(text: &str) -> Result<String, &'static str> {
    let path = text.starts_with('/') && !text.contains("//") && text.bytes().all(is_path);
    (path || text.is_empty()).then(|| text.to_owned()).ok_or("write a path as it is in URLs, such as /api")
}

fn base_url(text: &str) -> Result<String, &'static str> {
    let whole = text.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some());
    let plain = text.bytes().all(|byte| is_path(byte) || b"[]".contains(&byte));
    let why = "write an absolute URL without a query, such as https://example.com/api";
    (whole && plain).then(|| text.to_owned()).ok_or(why)
}

/// Whether a byte may stand in a path of a URL, so that the service takes it: it is asked only once its engine runs.
fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@".contains(&byte)
}

fn concurrency(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "write a number from 1 upwards")
}

fn lease(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (1.0..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("write a number of seconds from 1 to 86400, such as 30 or 1.5")
}

impl From<Naming> for asyncflow_tower::Naming {
    fn from(naming: Naming) -> Self {
        match naming {
            Naming::Default => Self::Mixed,
            Naming::Camel => Self::CamelCase,
        }
    }
}

impl From<Role> for asyncflow_core::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Serve => Self::Serve,
            Role::Work => Self::Work,
            Role::Both => Self::Both,
        }
    }
}

#[cfg(test)]
mod tests {
    use asyncflow_core::{FlowEngine, JobContext};
    use asyncflow_tower::FlowService;

    use super::*;

    /// The service says so only once its engine runs: by then, what is told here must be all.
    #[tokio::test]
    async fn what_is_taken_of_urls_is_what_the_service_takes() {
        let flows = FlowEngine::builder().flow("echo", |(): (), _: JobContext| async { Ok::<_, String>(()) });
        let engine = flows.start().await.unwrap();
        let service = || FlowService::builder(engine.clone());
        for character in '\0'..='\u{ff}' {
            let (path, url) = (format!("/a{character}b"), format!("http://h/a{character}b"));
            assert_eq!(prefix(&path).is_ok(), service().prefix(&path).build().is_ok(), "{path:?}");
            assert_eq!(base_url(&url).is_ok(), service().base_url(&url).build().is_ok(), "{url:?}");
        }
        for path in ["", "a", "/a//b", "//a", "/a/"] {
            assert_eq!(prefix(path).is_ok(), service().prefix(path).build().is_ok(), "{path:?}");
        }
    }
}
