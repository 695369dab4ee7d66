//! A demo server in a process of its own, which ends with the test.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// How long anything may take that should not take long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at another process: nothing tells a test what goes on there.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Every framework that the demo runs on.
pub(crate) const FRAMEWORKS: [&str; 4] = ["axum", "hyper", "warp", "poem"];

/// The demo with these arguments, and nothing of ours in its environment.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ASYNCFLOW_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").args(arguments);
    command
}

/// Whether tests should go as far as they can, however long that takes.
pub(crate) fn prove() -> bool {
    std::env::var_os("ASYNCFLOW_PROVE").is_some()
}

/// Runs a demo that should end by itself.
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().expect("the demo can be started")
}

/// A running demo. Dropped, it is killed; where the test fails, its log is shown.
#[derive(Debug)]
pub(crate) struct Demo {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Demo {
    /// Starts it on a free port, and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::spawn(command(arguments).args(["--addr", "127.0.0.1:0"]))
    }

    /// Starts it as the command says, and waits until it listens.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut demo = Self::spawn_unread(command);
        let (stderr, log) = (demo.child.stderr.take().unwrap(), demo.log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = log.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        demo
    }

    /// Starts it as the command says, waits until it listens, and leaves its log unread.
    pub(crate) fn spawn_unread(command: &mut Command) -> Self {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("the demo can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on http://").and_then(|line| line.strip_suffix('\n')?.parse().ok());
        // Made before anything can fail, so that it is killed then.
        let demo = Self { child, address: address.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0))), log: Arc::default() };
        assert!(address.is_some(), "it said {line:?}");
        demo
    }

    /// Sends it a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Waits for its end.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it has not ended after {PATIENCE:?}");
            pause().await;
        }
    }

    /// Ends it as a loss of power would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The most memory that it has had so far, in MiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
        most.parse::<u64>().unwrap() / 1024
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!(
                "--- the last lines of the demo's log\n{}\n---",
                lines[lines.len().saturating_sub(20)..].join("\n")
            );
        }
    }
}
