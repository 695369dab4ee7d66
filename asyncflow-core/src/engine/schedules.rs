//! No word of a job is lost between those who submit, work, wait and drain, though no time passes.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{sync::Arc, time::Duration};

use shuttle::{future::block_on, sync::Barrier, thread};
use tokio::time::Instant;

use super::{
    SubmitOptions, Until,
    alarm::Alarm,
    builder::EngineBuilder,
    node::{Node, Phase},
    shutdown,
};
use crate::{
    flow::JobContext,
    job::{JobKey, Progress, Record, State},
    policy::FlowOptions,
    schedules::{insert, job, memory, node, try_schedules, turn},
    state::{self, Event},
    store::{Batch, Change, Part, StoreError},
    sync::atomic::Ordering,
    worker::{Delivery, Worker, write_reports},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Reports how far it is.
async fn one(_: (), job: JobContext) -> Result<(), String> {
    job.progress(Progress::new("half"));
    job.progress(Progress::new("done"));
    Ok(())
}

/// A node that runs one job of `f` at once.
fn one_at_a_time() -> Arc<Node> {
    let options = FlowOptions::new().concurrency(1).progress_interval(Duration::ZERO);
    node(&memory(), EngineBuilder::new().flow_with("f", one, options))
}

/// What fills free slots, as an executor does.
fn work(node: &Arc<Node>) {
    let worker = Worker::new(node.clone());
    drop(node.runtime.spawn(async move {
        while worker.word().await {
            worker.fill().await;
        }
    }));
}

/// What brings the store's news to readers, as a node does. News of ready jobs it does not: where it is this node that submits, jobs are
/// not to need it.
fn listen(node: &Arc<Node>) {
    let node = node.clone();
    drop(shuttle::future::spawn(async move {
        loop {
            node.waiting.hints.next().await.changed.iter().for_each(|job| node.waiting.wake(job));
        }
    }));
}

fn submit(node: &Arc<Node>) -> Option<JobKey> {
    let work = node.submit(&node.flows[0], Part::json("null"), None, SubmitOptions::new()).ok()?;
    let id = block_on(node.uninterrupted(work)).unwrap().unwrap().id;
    Some(JobKey { flow: "f".into(), id })
}

fn read(node: &Node, job: &JobKey) -> Record {
    block_on(node.read::<StoreError>(job.clone(), |_| true)).unwrap().unwrap()
}

fn ended(node: &Node, job: &JobKey) -> Record {
    let record = block_on(node.wait(job, Until::Ended, HOUR)).unwrap().unwrap();
    assert!(record.state.is_ended());
    record
}

#[test]
fn jobs_that_found_no_slot_are_taken_up_when_one_is_free() {
    try_schedules(|| {
        let node = one_at_a_time();
        node.word.notify_one();
        work(&node);
        listen(&node);
        let submitters = [(); 2].map(|()| {
            let node = node.clone();
            thread::spawn(move || ended(&node, &submit(&node).unwrap()).state)
        });
        assert_eq!(submitters.map(|submitter| submitter.join().unwrap()), [State::Succeeded; 2]);
        // And whoever rests between two jobs goes home.
        node.advance(Phase::Closed);
        node.runtime.all_ended();
        assert_eq!(node.crew.taken(), 0);
    });
}

#[test]
fn deliveries_that_wait_for_a_slot_are_given_it() {
    try_schedules(|| {
        let node = one_at_a_time();
        // Or else who ends takes up what the others are to run.
        node.flows[0].backlog.store(false, Ordering::SeqCst);
        let inserts = [1, 2, 3].map(insert).to_vec();
        block_on(node.write(&Batch { inserts, ..Batch::default() })).unwrap();
        let deliveries = [1, 2, 3].map(|n| {
            let worker = Worker::new(node.clone());
            thread::spawn(move || block_on(worker.deliver(job(n))))
        });
        assert_eq!(deliveries.map(|delivery| delivery.join().unwrap()), [Delivery::Ran; 3]);
    });
}

#[test]
fn of_two_slots_that_are_given_at_once_each_is_taken() {
    try_schedules(|| {
        let node = node(&memory(), EngineBuilder::new().flow_with("f", one, FlowOptions::new().concurrency(2)));
        let both = Arc::new(Barrier::new(2));
        let slots = node.slots(&node.flows[0], 2);
        let waiters = [(); 2].map(|()| {
            let (node, both) = (node.clone(), both.clone());
            thread::spawn(move || {
                let _slot = block_on(node.next_slot(&node.flows[0]));
                both.wait();
            })
        });
        drop(slots);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(node.crew.taken(), 0);
    });
}

#[test]
fn a_drain_hears_that_all_have_ended_and_leaves_none_behind() {
    try_schedules(|| {
        let node = one_at_a_time();
        work(&node);
        let submitter = thread::spawn({
            let node = node.clone();
            move || submit(&node)
        });
        block_on(shutdown::shutdown(&node, HOUR));
        let job = submitter.join().unwrap();
        node.runtime.all_ended();
        let state = job.map(|job| read(&node, &job).state);
        assert!(matches!(state, None | Some(State::Succeeded | State::Enqueued)), "{state:?}");
        assert_eq!(node.crew.taken(), 0);
    });
}

#[test]
fn the_last_report_is_kept_however_it_is_written() {
    try_schedules(|| {
        let node = one_at_a_time();
        drop(shuttle::future::spawn(write_reports(node.clone())));
        listen(&node);
        let job = submit(&node).unwrap();
        assert_eq!(ended(&node, &job).progress.unwrap().text(), "done");
    });
}

#[test]
fn the_latest_report_of_a_job_that_runs_on_is_written() {
    try_schedules(|| {
        let handler = |_: (), job: JobContext| async move {
            let reports = job.clone();
            let reporter = thread::spawn(move || reports.progress(Progress::new("half")));
            reporter.join().unwrap();
            job.progress(Progress::new("done"));
            job.cancelled().await;
            Ok::<_, String>(())
        };
        let options = FlowOptions::new().progress_interval(Duration::ZERO);
        let node = node(&memory(), EngineBuilder::new().flow_with("f", handler, options));
        drop(shuttle::future::spawn(write_reports(node.clone())));
        listen(&node);
        let job = submit(&node).unwrap();
        let mut record = read(&node, &job);
        while record.progress.as_ref().is_none_or(|progress| progress.text() != "done") {
            record = block_on(node.wait(&job, Until::Changed(record.version), HOUR)).unwrap().unwrap();
        }
    });
}

#[test]
fn a_reader_hears_of_a_change_that_comes_as_it_begins_to_wait() {
    try_schedules(|| {
        let node = one_at_a_time();
        block_on(node.write(&Batch { inserts: vec![insert(1)], ..Batch::default() })).unwrap();
        listen(&node);
        let readers = [(); 2].map(|()| {
            let node = node.clone();
            thread::spawn(move || ended(&node, &job(1)).state)
        });
        let (guard, patch) = state::decide(&read(&node, &job(1)), Event::Cancel).unwrap();
        block_on(node.change(&[Change { job: job(1), guard, patch }])).unwrap();
        assert_eq!(readers.map(|reader| reader.join().unwrap()), [State::Cancelled; 2]);
    });
}

#[test]
fn a_reader_hears_of_a_drain() {
    try_schedules(|| {
        let node = one_at_a_time();
        block_on(node.write(&Batch { inserts: vec![insert(1)], ..Batch::default() })).unwrap();
        let reader = thread::spawn({
            let node = node.clone();
            move || block_on(node.wait_open(&job(1), Until::Ended, HOUR)).unwrap().unwrap().state
        });
        block_on(shutdown::shutdown(&node, HOUR));
        assert_eq!(reader.join().unwrap(), State::Enqueued);
    });
}

#[test]
fn a_phase_is_heard() {
    try_schedules(|| {
        let node = one_at_a_time();
        let waiters = [Phase::Draining, Phase::Closed].map(|phase| {
            let node = node.clone();
            thread::spawn(move || block_on(node.reached(phase)))
        });
        node.advance(Phase::Draining);
        node.advance(Phase::Closed);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
}

#[test]
fn an_alarm_that_is_set_earlier_is_heard() {
    try_schedules(|| {
        let alarm = Arc::new(Alarm::default());
        let waiter = thread::spawn({
            let alarm = alarm.clone();
            move || block_on(alarm.wait_until(Instant::now() + HOUR))
        });
        let setter = thread::spawn({
            let alarm = alarm.clone();
            move || alarm.set(Duration::from_secs(1))
        });
        alarm.set(Duration::from_millis(100));
        turn(Duration::from_millis(110));
        setter.join().unwrap();
        waiter.join().unwrap();
    });
}
