//! The demo server: flows of every kind, over any of the frameworks, on any of the stores.

mod cli;
mod flows;
mod serve;
mod signals;
mod store;
mod textstats;

use std::{io::Write, process::ExitCode, time::Duration};

use asyncflow_core::{BoxError, FlowEngine};
use asyncflow_tower::{FlowService, InvalidSetting};
use tokio::{net::TcpListener, runtime, sync::oneshot, time::timeout};
use tracing_subscriber::{
    EnvFilter,
    filter::{FromEnvError, LevelFilter},
};

use crate::{cli::Options, serve::App, signals::Signals};

/// Much of what a request costs is many small allocations: a server does well to have an allocator that is fast at them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long running jobs have to end once the process is told to.
const DRAIN: Duration = Duration::from_secs(30);
/// How long answers that are on their way have then.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let options = Options::read();
    if let Err(error) = start_log() {
        eprintln!("error: the environment variable RUST_LOG: {error}");
        return ExitCode::from(2);
    }
    match start(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// To stderr, whatever `RUST_LOG` asks for; what is off costs nothing.
fn start_log() -> Result<(), FromEnvError> {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env()?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

fn start(options: Options) -> Result<(), BoxError> {
    // On a single core, sharing work among threads would cost and bring nothing.
    let mut builder = match std::thread::available_parallelism() {
        Ok(cores) if cores.get() > 1 => runtime::Builder::new_multi_thread(),
        _ => runtime::Builder::new_current_thread(),
    };
    let runtime = builder.enable_all().build()?;
    let ended = runtime.block_on(run(options));
    // A blocking body that was cut off cannot be waited for.
    runtime.shutdown_background();
    ended
}

async fn run(options: Options) -> Result<(), BoxError> {
    let mut signals = Signals::listen()?;
    let listener = TcpListener::bind(options.addr).await.map_err(|error| format!("{}: {error}", options.addr))?;
    let address = listener.local_addr()?;
    let engine = tokio::select! {
        engine = flows::engine(&options) => engine?,
        () = signals.next() => return Ok(()),
    };
    let service = service(&engine, &options)?;
    let (close, closed) = oneshot::channel::<()>();
    let app = App { engine: engine.clone(), service };
    let mut server = tokio::spawn(serve::serve(options.framework, app, listener, async { drop(closed.await) }));
    // Whoever started us may not listen.
    let _ = writeln!(std::io::stdout(), "listening on http://{address}");
    let _ = std::io::stdout().flush();

    signals.next().await;
    tracing::info!("draining for up to {DRAIN:?}; another signal ends it at once");
    tokio::select! {
        report = engine.shutdown(DRAIN) => tracing::info!(?report, "drained"),
        () = signals.next() => return Ok(()),
    }
    drop(close);
    tokio::select! {
        _ = timeout(LAST_ANSWERS, &mut server) => Ok(()),
        () = signals.next() => Ok(()),
    }
}

fn service(engine: &FlowEngine, options: &Options) -> Result<FlowService, InvalidSetting> {
    let mut builder = FlowService::builder(engine.clone()).naming(options.naming.into());
    if let Some(prefix) = &options.prefix {
        builder = builder.prefix(prefix);
    }
    if let Some(url) = &options.base_url {
        builder = builder.base_url(url);
    }
    builder.build()
}
