//! Processes that share a file, and such as are killed while they write to it. Each is this very test, started again as another process.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use asyncflow_core::{
    JobId, JobKey, Limits, State,
    state::Event,
    store::{Batch, Insert, Part, PartName, Pick},
};
use asyncflow_sqlite::SqliteStore;
use asyncflow_testkit::store::{FLOW, START, Subject};
use rusqlite::Connection;

async fn open(path: &Path) -> Subject {
    // Each on the machine's clock: the one here stands still, and is not asked.
    let clock = Arc::new(asyncflow_core::ManualClock::at(START));
    Subject::new(Arc::new(SqliteStore::open(path).await.unwrap()), clock)
}

fn start(role: &str, path: &Path) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env("CHILD_ROLE", role)
        .env("CHILD_PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines.map_while(|line: std::io::Result<String>| line.ok()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the tests here run it, as the processes that they kill: by itself it has nothing to open"]
async fn child() {
    let (Ok(role), Ok(path)) = (std::env::var("CHILD_ROLE"), std::env::var("CHILD_PATH")) else { return };
    let subject = open(Path::new(&path)).await;
    say("ready");
    match role.as_str() {
        "works until it is killed" => drop(subject.at_once(16, |subject| async move { live(&subject).await }).await),
        "claims all" => claim_all(&subject, 500).await,
        "works within limits" => work_within_limits(&subject, Path::new(&path)).await,
        "inserts when told" => {
            std::io::stdin().lines().next();
            subject.insert(&subject.job()).await;
        }
        other => panic!("no such role: {other}"),
    }
}

fn say(what: &str) {
    // Whole lines, whoever else writes.
    let _ = std::io::stdout().lock().write_all(format!("\n{what}\n").as_bytes());
}

/// Inserts jobs and ends them, and says of each what was answered.
async fn live(subject: &Subject) {
    loop {
        let insert = Insert { request: Part::json(vec![b'1'; 3000]), ..subject.job() };
        subject.insert(&insert).await;
        say(&format!("inserted {}", insert.job.id));
        for claimed in subject.claim(Pick::Job(insert.job), subject.token()).await {
            let id = claimed.record.job.id;
            say(&format!("claimed {id}"));
            subject.event(&claimed.record, Event::Succeeded(Part::json(id.to_string()))).await;
            say(&format!("succeeded {id}"));
        }
    }
}

async fn claim_all(subject: &Subject, jobs: usize) {
    loop {
        let pick = Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs: 1, bytes: 0 };
        for claimed in subject.claim(pick, subject.token()).await {
            say(&format!("claimed {}", claimed.record.job.id));
        }
        if subject.states().await[State::Processing as usize] == jobs as u64 {
            return;
        }
    }
}

/// Killed again and again in the middle of writing: all that was answered is there, whole, and nobody holds a job of the dead.
#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let (mut told, mut interrupted) = (HashMap::new(), 0);
    for round in 1..=10 {
        let (mut child, mut lines) = start("works until it is killed", &path);
        for line in lines.by_ref().take(300 + 37 * round) {
            hear(&mut told, &line);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said before it died, but for a line that was cut.
        let rest: Vec<_> = lines.collect();
        rest.iter().for_each(|line| hear(&mut told, line));

        let subject = open(&path).await;
        interrupted = 0;
        for (id, said) in &told {
            let job = JobKey { flow: FLOW.into(), id: *id };
            let record = subject.get(&job).await.unwrap_or_else(|| panic!("{id} was {said}, and is gone"));
            match said.as_str() {
                "succeeded" => {
                    assert_eq!(record.state, State::Succeeded);
                    assert_eq!(subject.part(&job, PartName::Outcome).await, Some(Part::json(id.to_string())));
                    assert_eq!(subject.part(&job, PartName::Request).await, None);
                }
                _ if record.state == State::Succeeded => {}
                _ => {
                    assert_eq!((record.state, record.token), (State::Enqueued, None), "{said}");
                    assert!(said == "inserted" || record.tally.crashes == 1);
                    assert_eq!(subject.part(&job, PartName::Request).await.unwrap().bytes.len(), 3000);
                    interrupted += usize::from(record.tally.crashes > 0);
                }
            }
        }
        assert!(interrupted <= 16 * round, "no more were interrupted than were running");
        let states = subject.states().await;
        assert_eq!(states[State::Processing as usize], 0);
        drop(subject);
        check(&path, states);
    }
    assert!(interrupted > 0);
}

fn hear(told: &mut HashMap<JobId, String>, line: &str) {
    if let Some((said, id)) = line.split_once(' ')
        && let Ok(id) = id.parse()
    {
        told.insert(id, said.to_owned());
    }
}

/// The file is sound, and its counts are those of its rows.
fn check(path: &Path, states: [u64; 6]) {
    let db = Connection::open(path).unwrap();
    let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let mut counted = [0; 6];
    let mut count = db.prepare("SELECT state, count(*) FROM jobs GROUP BY state").unwrap();
    let mut rows = count.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        counted[row.get::<_, usize>(0).unwrap()] = row.get(1).unwrap();
    }
    assert_eq!(counted, states);
    let orphans = "SELECT count(*) FROM parts WHERE (flow, id) NOT IN (SELECT flow, id FROM jobs)";
    assert_eq!(db.query_row(orphans, [], |row| row.get::<_, u64>(0)).unwrap(), 0);
}

/// Three processes claim from one file: each job is taken once, and nobody waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_share_a_file_take_each_job_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let subject = open(&path).await;
    let inserts = (0..500).map(|_| subject.job()).collect();
    subject.write(Batch { inserts, ..Batch::default() }).await;
    let mut children = [start("claims all", &path), start("claims all", &path)];
    for (_, lines) in &mut children {
        assert!(lines.any(|line| line == "ready"));
    }
    let mut taken = Vec::new();
    loop {
        let claimed = subject.take(1).await;
        if claimed.is_empty() {
            break;
        }
        taken.extend(claimed.iter().map(|record| record.job.id));
    }
    for (mut child, lines) in children {
        taken.extend(lines.filter_map(|line| line.strip_prefix("claimed ")?.parse::<JobId>().ok()));
        assert!(child.wait().unwrap().success());
    }
    assert_eq!((taken.len(), taken.iter().collect::<HashSet<_>>().len()), (500, 500));
    assert_eq!(subject.states().await, [0, 0, 500, 0, 0, 0]);
}

/// Takes jobs within limits and ends them, until all have ended; no more run at once than may, as a reader of the file sees it.
async fn work_within_limits(subject: &Subject, path: &Path) {
    let limits = Limits::new().running(5).running_per_key(2);
    let next = || Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs: 3, bytes: usize::MAX };
    let db = Connection::open(path).unwrap();
    while subject.states().await[State::Succeeded as usize] < 200 {
        let taken = subject.take_within(&limits, next()).await.jobs;
        let most = "SELECT ifnull(sum(jobs), 0), ifnull(max(jobs), 0)
            FROM (SELECT count(*) AS jobs FROM jobs WHERE state = 2 GROUP BY owner)";
        let (all, of_one) = db.query_row(most, [], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?))).unwrap();
        assert!(all <= 5 && of_one <= 2, "{all} run, {of_one} of one owner");
        for claimed in taken {
            say(&format!("ran {}", claimed.record.job.id));
            subject.event(&claimed.record, Event::Succeeded(Part::json("1"))).await;
        }
    }
}

/// Limits are the file's, whichever processes claim.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_share_a_file_share_its_limits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let subject = open(&path).await;
    let owned = |n: usize| Insert { owner: Some(["a", "b", "c", "d"][n % 4].into()), ..subject.job() };
    subject.write(Batch { inserts: (0..200).map(owned).collect(), ..Batch::default() }).await;
    let mut children = [start("works within limits", &path), start("works within limits", &path)];
    for (_, lines) in &mut children {
        assert!(lines.any(|line| line == "ready"));
    }
    work_within_limits(&subject, &path).await;
    for (mut child, lines) in children {
        lines.for_each(drop);
        assert!(child.wait().unwrap().success());
    }
    let states = subject.states().await;
    assert_eq!(states, [0, 0, 0, 200, 0, 0]);
    drop(subject);
    check(&path, states);
}

/// Who listens hears of what another process wrote, and not of what it wrote itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_comes_from_other_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let subject = open(&path).await;
    let (mut child, mut lines) = start("inserts when told", &path);
    assert!(lines.any(|line| line == "ready"));
    let hints = subject.store.hints();
    hints.want_jobs(true);
    subject.insert(&subject.job()).await;
    assert!(hints.next().await.ready.contains(FLOW));
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let news = tokio::time::timeout(Duration::from_secs(60), hints.next()).await.unwrap();
    assert!(news.anything);
    assert!(child.wait().unwrap().success());
    assert_eq!(subject.states().await[State::Enqueued as usize], 2);
}
