//! Clients that submit jobs for as long as it takes, each under a key, and others that look at what became of them.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use serde_json::Value;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    client::Client,
    dice::Dice,
    fleet::Addresses,
    jobs::{Expected, job},
    process::{PATIENCE, pause},
};

const SUBMITTERS: usize = 6;
const READERS: usize = 2;

/// The load. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    addresses: Addresses,
    stop: AtomicBool,
    next: AtomicUsize,
    jobs: Mutex<Vec<Job>>,
    /// How jobs ended, as their first reader saw it.
    ends: Mutex<HashMap<String, Value>>,
}

/// A job that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) number: usize,
    pub(crate) path: String,
    pub(crate) expected: Expected,
}

/// All that was accepted, and what was seen of it so far.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) jobs: Vec<Job>,
    pub(crate) ends: HashMap<String, Value>,
}

impl Load {
    pub(crate) fn start(addresses: Addresses, dice: &mut Dice) -> Self {
        let shared = Arc::new(Shared {
            addresses,
            stop: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            jobs: Mutex::default(),
            ends: Mutex::default(),
        });
        let mut clients = JoinSet::new();
        for _ in 0..SUBMITTERS {
            clients.spawn(submit(shared.clone(), Dice::of(dice.seed())));
        }
        for _ in 0..READERS {
            clients.spawn(read(shared.clone(), Dice::of(dice.seed())));
        }
        Self { shared, clients }
    }

    /// Waits until so many more jobs are accepted: whatever broke before has healed then.
    pub(crate) async fn accepts(&self, more: usize) {
        let accepted = || self.shared.jobs.lock().unwrap().len();
        let (enough, end) = (accepted() + more, Instant::now() + PATIENCE);
        while accepted() < enough {
            assert!(Instant::now() < end, "no more than {} of {enough} jobs are accepted", accepted());
            pause().await;
        }
    }

    /// Ends it, once what is being submitted is accepted.
    pub(crate) async fn stop(mut self) -> Seen {
        self.shared.stop.store(true, Ordering::SeqCst);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
        let jobs = std::mem::take(&mut *self.shared.jobs.lock().unwrap());
        let ends = std::mem::take(&mut *self.shared.ends.lock().unwrap());
        Seen { jobs, ends }
    }
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }
}

/// The key of a job.
pub(crate) fn key(number: usize) -> String {
    format!("job-{number}")
}

async fn submit(shared: Arc<Shared>, mut dice: Dice) {
    let mut connection = Connection::default();
    while shared.goes_on() {
        let number = shared.next.fetch_add(1, Ordering::SeqCst);
        let (flow, request, expected) = job(number);
        let (key, request) = (key(number), request.to_string());
        let end = Instant::now() + PATIENCE;
        // Whether an earlier try was accepted, if it was not answered, nobody knows: so all are under one key.
        let id = loop {
            assert!(Instant::now() < end, "nobody accepts {flow} {request}");
            let tried = match connection.get(&shared.addresses, &mut dice).await {
                Some(client) => client.try_send("POST", flow, &[("idempotency-key", &key)], request.clone()).await.ok(),
                None => None,
            };
            match tried {
                Some(answer) if answer.status == 202 => break answer.json()["RequestId"].as_str().unwrap().to_owned(),
                Some(answer) => assert!(matches!(answer.status, 409 | 429 | 503), "{answer:?}"),
                None => {}
            }
            connection.leave();
            dice.sleep(20).await;
        };
        shared.jobs.lock().unwrap().push(Job { number, path: format!("{flow}/{id}"), expected });
        dice.sleep(60).await;
    }
}

/// Looks at jobs, and sees to it that those which have ended stay as they are.
async fn read(shared: Arc<Shared>, mut dice: Dice) {
    let mut connection = Connection::default();
    while shared.goes_on() {
        dice.sleep(20).await;
        let some = {
            let jobs = shared.jobs.lock().unwrap();
            // Most have just been accepted.
            let last = (1 + dice.one_of(100)).min(jobs.len());
            jobs.len().checked_sub(last).and_then(|place| jobs.get(place)).cloned()
        };
        let (Some(job), Some(client)) = (some, connection.get(&shared.addresses, &mut dice).await) else { continue };
        match client.try_send("GET", &format!("{}/status", job.path), &[], "").await {
            Ok(answer) if answer.status == 200 => {
                let status = answer.json();
                if status["CompletedAt"].is_string() {
                    let mut ends = shared.ends.lock().unwrap();
                    let end = ends.entry(job.path.clone()).or_insert_with(|| status.clone());
                    assert_eq!(*end, status, "{} ended twice", job.path);
                }
            }
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{}: {answer:?}", job.path);
                connection.leave();
            }
            Err(_) => connection.leave(),
        }
    }
}

/// A connection to any node that is up, kept while it lasts.
#[derive(Debug, Default)]
struct Connection(Option<(SocketAddr, Client)>);

impl Connection {
    async fn get(&mut self, addresses: &Addresses, dice: &mut Dice) -> Option<&mut Client> {
        if self.0.is_none() {
            let up = addresses.up();
            let address = *up.get(dice.one_of(up.len().max(1)))?;
            self.0 = Client::open(address).await.ok().map(|client| (address, client));
        }
        self.0.as_mut().map(|(_, client)| client)
    }

    fn leave(&mut self) {
        self.0 = None;
    }
}
