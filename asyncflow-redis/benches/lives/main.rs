//! Jobs a second of the store, and the processor time of each in the server, beside scripts written by hand for the same keys. Compare the
//! ratios: they take turns of a fraction of a second, so that whoever else uses the machine disturbs both alike.
//!
//! `cargo bench -p asyncflow-redis [-- ROUNDS]`
#![allow(clippy::unwrap_used, reason = "a benchmark may fail")]

mod by_hand;
mod by_store;

use std::time::{Duration, Instant};

use asyncflow_testkit::servers::{Kind, Server};
use redis::Client;
use tokio::runtime::Handle;

/// One turn of one measurement.
const TURN: Duration = Duration::from_millis(300);
/// Callers that go at once, where they do.
const MANY: usize = 64;

/// Takes one turn.
type Measurement = Box<dyn FnMut() -> Rate>;

/// Jobs a second, and the processor time of each in microseconds: the server's, and ours.
#[derive(Clone, Copy)]
struct Rate {
    jobs: f64,
    server: f64,
    client: f64,
}

fn main() {
    let rounds = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(9);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    // Synced each second, as it comes.
    let server = runtime.block_on(Server::start_with(Kind::Redis, &["--appendfsync", "everysec"])).unwrap();
    let meter = Meter { client: Client::open(server.url()).unwrap() };
    let mut measurements: Vec<(&str, Measurement)> = vec![
        ("by hand, one caller", Box::new(by_hand::lives(&server, meter.clone(), 1))),
        ("store, one caller", Box::new(by_store::lives(&server, meter.clone(), 1, true))),
        ("by hand, 64 callers", Box::new(by_hand::lives(&server, meter.clone(), MANY))),
        ("store, 64 callers", Box::new(by_store::lives(&server, meter.clone(), MANY, true))),
        ("store, 64 callers, no hints", Box::new(by_store::lives(&server, meter.clone(), MANY, false))),
        ("store, 64 callers, queued", Box::new(by_store::queued(&server, meter.clone()))),
    ];
    let mut rates: Vec<Vec<Rate>> = vec![Vec::new(); measurements.len()];
    // Every other round goes the other way, as each has to bear what another left to do.
    for round in 0..=rounds {
        let mut order: Vec<_> = (0..measurements.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for n in order {
            let rate = measurements[n].1();
            rates[n].extend((round > 0).then_some(rate));
        }
    }
    for ((name, _), rates) in measurements.iter().zip(&rates) {
        let of = |part: fn(&Rate) -> f64| median(rates.iter().map(part));
        println!(
            "{name:28} {:8.0} whole lives/s, µs CPU a job: server {:6.1}, client {:6.1}",
            of(|rate| rate.jobs),
            of(|rate| rate.server),
            of(|rate| rate.client)
        );
    }
    let ratio = |a: usize, b: usize, part: fn(&Rate) -> f64| {
        median(rates[a].iter().zip(&rates[b]).map(|(a, b)| part(a) / part(b)))
    };
    for (what, a, b) in [("one caller", 1, 0), ("64 callers", 3, 2), ("64 callers without hints", 4, 2)] {
        println!("{what} against by hand: {:.2}", ratio(a, b, |rate| rate.jobs));
        println!("{what}, server CPU a job against by hand: {:.2}", ratio(a, b, |rate| rate.server));
    }
    println!("hints, server CPU a job: {:.2} of that without", ratio(3, 4, |rate| rate.server));
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Asks the server for the processor time that it has used.
#[derive(Clone)]
struct Meter {
    client: Client,
}

impl Meter {
    async fn used(&self) -> Duration {
        let mut connection = self.client.get_multiplexed_async_connection().await.unwrap();
        let info: String = redis::cmd("INFO").arg("cpu").query_async(&mut connection).await.unwrap();
        let of = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).unwrap_or_default()
        };
        Duration::from_secs_f64(of("used_cpu_sys:") + of("used_cpu_user:"))
    }
}

/// Has so many callers live lives until the turn ends.
fn together<S: Clone + Send + 'static, F: Future<Output = ()> + Send>(
    meter: &Meter,
    callers: usize,
    subject: S,
    one: impl Fn(S) -> F + Copy + Send + 'static,
) -> Rate {
    Handle::current().block_on(async {
        let (server, client, began) = (meter.used().await, cpu_time(), Instant::now());
        let caller = |subject: S| async move {
            let mut jobs = 0;
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
        let jobs = f64::from(jobs);
        let (seconds, client) = (began.elapsed().as_secs_f64(), cpu_time() - client);
        let server = meter.used().await - server;
        let micros = |cpu: Duration| cpu.as_secs_f64() * 1e6 / jobs;
        Rate { jobs: jobs / seconds, server: micros(server), client: micros(client) }
    })
}

/// What this process has used of processors so far.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2);
    Duration::from_millis(ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
}
