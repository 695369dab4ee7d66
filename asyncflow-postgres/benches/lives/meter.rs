//! What jobs cost.

use std::{
    fs,
    time::{Duration, Instant},
};

use tokio_postgres::{Client, NoTls};

use crate::TURN;

/// Of each job: what it cost in one turn. Processor time in microseconds.
pub(crate) struct Spent {
    pub(crate) rate: f64,
    pub(crate) client: f64,
    pub(crate) server: f64,
    pub(crate) commits: f64,
    pub(crate) wal: f64,
}

pub(crate) struct Meter {
    client: Client,
    postmaster: String,
}

impl Meter {
    pub(crate) async fn new(url: &str) -> Self {
        let client = connect(url).await;
        let row = client.query_one("SELECT pg_read_file('postmaster.pid')", &[]).await.unwrap();
        let postmaster = row.get::<_, &str>(0).lines().next().unwrap().to_owned();
        Self { client, postmaster }
    }

    /// Has so many callers do something until the turn ends.
    pub(crate) async fn measure<S: Clone + Send + 'static, F: Future<Output = ()> + Send>(
        &self,
        callers: usize,
        subject: &S,
        one: impl Fn(S) -> F + Copy + Send + 'static,
    ) -> Spent {
        let (commits, wal) = self.written().await;
        let (client, server) = (cpu_time("self"), self.server());
        let began = Instant::now();
        let caller = |subject: S| async move {
            let mut jobs = 0_u32;
            while began.elapsed() < TURN {
                one(subject.clone()).await;
                jobs += 1;
            }
            jobs
        };
        let callers: Vec<_> = (0..callers).map(|_| tokio::spawn(caller(subject.clone()))).collect();
        let mut jobs = 0;
        for caller in callers {
            jobs += caller.await.unwrap();
        }
        let (jobs, took) = (f64::from(jobs), began.elapsed());
        let (client, server) = (cpu_time("self") - client, self.server() - server);
        let (commits_after, wal_after) = self.written().await;
        Spent {
            rate: jobs / took.as_secs_f64(),
            client: client.as_secs_f64() * 1e6 / jobs,
            server: server.as_secs_f64() * 1e6 / jobs,
            commits: (commits_after - commits) / jobs,
            wal: (wal_after - wal) / jobs,
        }
    }

    /// Transactions that wrote, and bytes of WAL.
    async fn written(&self) -> (f64, f64) {
        // A transaction that writes takes a number; this one does too.
        let sql =
            "SELECT pg_current_xact_id()::text::float8, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8";
        let row = self.client.query_one(sql, &[]).await.unwrap();
        (row.get(0), row.get(1))
    }

    /// Processor time of all the server's processes.
    fn server(&self) -> Duration {
        let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let ours = pids.filter(|pid| *pid == self.postmaster || stat(pid).get(1) == Some(&self.postmaster));
        ours.map(|pid| cpu_time(&pid)).sum::<Duration>()
            // Those that have ended count with their parent.
            + ticks(stat(&self.postmaster).iter().skip(13).take(2))
    }
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn cpu_time(pid: &str) -> Duration {
    ticks(stat(pid).iter().skip(11).take(2))
}

fn ticks<'a>(ticks: impl Iterator<Item = &'a String>) -> Duration {
    Duration::from_millis(ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
}

/// What stands in a process's `stat` behind its name.
fn stat(pid: &str) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}
