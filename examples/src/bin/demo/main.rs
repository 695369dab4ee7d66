//! The demo server: flows of every kind, over any of the frameworks, on any of the stores.

mod cli;
mod flows;
mod log;
mod serve;
mod signals;
mod store;
mod textstats;

use std::{io::Write, process::ExitCode, time::Duration};

use crate::{cli::Options, serve::App, signals::Signals};
use asyncflow_core::{BoxError, FlowEngine};
use asyncflow_tower::{FlowService, InvalidSetting};
use tokio::{net::TcpListener, runtime, sync::oneshot, time::timeout};

/// Much of what a request costs is many small allocations: a server does well to have an allocator that is fast at them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long running jobs have to end once the process is told to.
const DRAIN: Duration = Duration::from_secs(30);
/// How long answers that are on their way have then.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let options = Options::read();
    let log = match log::start() {
        Ok(log) => log,
        Err(error) => {
            eprintln!("error: the environment variable RUST_LOG: {error}");
            return ExitCode::from(2);
        }
    };
    let ended = start(options);
    log.written();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
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
