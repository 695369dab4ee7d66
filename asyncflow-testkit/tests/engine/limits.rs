//! What may run in all of a fleet, measured by the handlers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{SECOND, memory, state_of};
use asyncflow_core::{
    FlowEngine, FlowHandle, FlowOptions, IfLive, JobContext, Limits, MemoryStore, Rate, State, SubmitError,
    SubmitOptions, blocking,
};
use asyncflow_testkit::faults::{Faults, Faulty};
use tokio::time::{Instant, sleep};

/// What handlers saw: how many ran at once, of each key, and who started in which order.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Sight>>);

#[derive(Debug, Default)]
struct Sight {
    running: BTreeMap<String, usize>,
    most: usize,
    most_of_a_key: usize,
    starts: Vec<(String, Instant)>,
}

impl Seen {
    fn start(&self, key: &str) -> Running {
        let mut sight = self.0.lock().unwrap();
        let running = sight.running.entry(key.to_owned()).or_default();
        *running += 1;
        let of_a_key = *running;
        sight.most_of_a_key = sight.most_of_a_key.max(of_a_key);
        let all = sight.running.values().sum();
        sight.most = sight.most.max(all);
        sight.starts.push((key.to_owned(), Instant::now()));
        Running { seen: self.clone(), key: key.to_owned() }
    }

    fn starts(&self) -> Vec<String> {
        self.0.lock().unwrap().starts.iter().map(|(key, _)| key.clone()).collect()
    }
}

struct Running {
    seen: Seen,
    key: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.seen.0.lock().unwrap().running.get_mut(&self.key).unwrap() -= 1;
    }
}

/// A node with one flow, `work`, whose jobs take 100 ms and say of which key they are.
async fn node(
    store: &MemoryStore,
    faults: &Faults,
    seen: &Seen,
    options: FlowOptions,
) -> (FlowEngine, FlowHandle<String, u32>) {
    let seen = seen.clone();
    let work = move |key: String, job: JobContext| {
        let seen = seen.clone();
        async move {
            let _running = seen.start(&key);
            sleep(SECOND / 10).await;
            Ok::<_, String>(job.attempt())
        }
    };
    let store = Faulty::new(store.clone(), faults);
    let engine = FlowEngine::builder().store(store).flow_with("work", work, options).start().await.unwrap();
    let flow = engine.flow("work").unwrap();
    (engine, flow)
}

async fn submit(flow: &FlowHandle<String, u32>, key: &str) -> asyncflow_core::JobHandle<u32> {
    flow.submit_with(key.to_owned(), SubmitOptions::new().owner(key)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn three_nodes_never_run_more_than_the_fleet_may_and_leave_no_room_unused() {
    let (store, seen) = (memory(), Seen::default());
    let options = FlowOptions::new().limits(Limits::new().running(10).running_per_key(3));
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(node(&store, &Faults::new(), &seen, options.clone()).await);
    }
    let began = Instant::now();
    let mut jobs = Vec::new();
    for n in 0..600 {
        // One tenant has most of the work, and seven share the rest.
        let key = if n % 2 == 0 { "big".to_owned() } else { format!("small-{}", n % 7) };
        jobs.push(submit(&nodes[n % 3].1, &key).await);
    }
    for job in jobs {
        assert_eq!(job.wait().await.unwrap(), 1);
    }
    let sight = seen.0.lock().unwrap();
    assert_eq!((sight.most, sight.most_of_a_key), (10, 3));
    // The big one's 300 jobs, three at a time, take ten seconds; the rest fits beside them.
    assert!(began.elapsed() < 12 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_with_many_waiting_jobs_delays_no_others_and_shares_are_even() {
    let (store, seen) = (memory(), Seen::default());
    let options = FlowOptions::new().concurrency(2).fair(true);
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(node(&store, &Faults::new(), &seen, options.clone()).await);
    }
    let many = vec!["big".to_owned(); 3_000];
    let big = nodes[0].1.flow_ref().as_owner(Some("big".into()));
    for request in many {
        let request = asyncflow_core::store::Part::json(format!("\"{request}\""));
        big.submit(request, SubmitOptions::new()).await.unwrap();
    }
    sleep(10 * SECOND).await;
    let before = seen.starts().len();
    for n in 0..300 {
        for key in ["a", "b"] {
            submit(&nodes[n % 3].1, key).await;
        }
    }
    sleep(10 * SECOND).await;
    let starts = seen.starts().split_off(before);
    let first = starts.iter().position(|key| key == "a").unwrap();
    assert!(first <= 12, "the first of another tenant was delayed by {first}");
    let count = |key| starts.iter().filter(|start| *start == key).count();
    let shares = [count("big"), count("a"), count("b")];
    assert!(shares.iter().max().unwrap() <= &(2 * shares.iter().min().unwrap()), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_and_used_to_the_full_without_waiting_for_ticks() {
    let (store, seen) = (memory(), Seen::default());
    let options = FlowOptions::new().limits(Limits::new().rate(Rate::new(20, SECOND)));
    let (engine, flow) = node(&store, &Faults::new(), &seen, options).await;
    let began = Instant::now();
    let mut jobs = Vec::new();
    for _ in 0..220 {
        jobs.push(submit(&flow, "k").await);
    }
    for job in jobs {
        job.wait().await.unwrap();
    }
    // Twenty at once, then two hundred at twenty a second.
    let took = began.elapsed();
    assert!(took >= 10 * SECOND && took < 11 * SECOND, "{took:?}");
    let starts: Vec<_> = seen.0.lock().unwrap().starts.iter().map(|(_, at)| *at).collect();
    for window in starts.windows(41) {
        assert!(window[40] - window[0] >= SECOND, "more than a burst and a second's share in a second");
    }
    engine.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_flow_starts_nothing_anywhere_until_it_goes_on() {
    let (store, seen) = (memory(), Seen::default());
    let (here, flow) = node(&store, &Faults::new(), &seen, FlowOptions::new()).await;
    let (there, _) = node(&store, &Faults::new(), &seen, FlowOptions::new()).await;
    here.pause("work").await.unwrap();
    sleep(2 * SECOND).await;
    let job = submit(&flow, "k").await;
    let (_new, _) = node(&store, &Faults::new(), &seen, FlowOptions::new()).await;
    sleep(60 * SECOND).await;
    assert!(seen.starts().is_empty(), "also not by a node that starts meanwhile");
    assert_eq!(state_of(&job).await, State::Enqueued);
    assert!(there.settings().await.unwrap().flows["work"].paused);
    let began = Instant::now();
    there.resume("work").await.unwrap();
    job.wait().await.unwrap();
    assert!(began.elapsed() < 2 * SECOND);
    assert!(here.settings().await.unwrap().flows.is_empty());
}

#[tokio::test(start_paused = true)]
async fn limits_change_while_nodes_run() {
    let (store, seen) = (memory(), Seen::default());
    let (engine, flow) = node(&store, &Faults::new(), &seen, FlowOptions::new().limits(Limits::new().running(1))).await;
    engine.set_limits("work", Some(Limits::new().running(5))).await.unwrap();
    for _ in 0..50 {
        submit(&flow, "k").await;
    }
    sleep(SECOND / 2).await;
    assert_eq!(seen.0.lock().unwrap().most, 5);
    engine.set_limits("work", None).await.unwrap();
    sleep(SECOND / 2).await;
    assert_eq!(seen.0.lock().unwrap().running["k"], 1);
    let wrong = engine.set_limits("work", Some(Limits::new().running(0))).await.unwrap_err().to_string();
    assert!(wrong.contains("running is 0"), "{wrong}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_cut_off_stops_before_another_may_start() {
    let (store, seen, cut) = (memory(), Seen::default(), Faults::new());
    let options = FlowOptions::new().limits(Limits::new().running(1));
    let long = |seen: Seen| {
        move |key: String, _job: JobContext| {
            let seen = seen.clone();
            async move {
                let _running = seen.start(&key);
                sleep(45 * SECOND).await;
                Ok::<_, String>(1_u32)
            }
        }
    };
    let mut nodes = Vec::new();
    for faults in [&cut, &Faults::new()] {
        let store = Faulty::new(store.clone(), faults);
        let builder = FlowEngine::builder().store(store).flow_with("work", long(seen.clone()), options.clone());
        nodes.push(builder.start().await.unwrap());
    }
    let flow = nodes[0].flow::<String, u32>("work").unwrap();
    let first = flow.submit("k".to_owned()).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(state_of(&first).await, State::Processing);
    cut.frozen(true);
    let job = nodes[1].flow::<String, u32>("work").unwrap().job(first.id());
    assert_eq!(job.wait().await.unwrap(), 1);
    let sight = seen.0.lock().unwrap();
    assert_eq!((sight.starts.len(), sight.most), (2, 1), "both ran at once");
}

#[tokio::test]
async fn a_cancelled_body_that_goes_on_keeps_its_place_in_the_fleet() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (wait, (begin, begun)) = (Mutex::new(wait), std::sync::mpsc::channel::<()>());
    let body = blocking(move |_: u32, _job: JobContext| {
        begin.send(()).unwrap();
        wait.lock().unwrap().recv().ok();
        Ok::<_, String>(1_u32)
    });
    let options = FlowOptions::new().limits(Limits::new().running(1));
    let engine = FlowEngine::builder()
        .timing(|timing| timing.grace = Duration::from_millis(1))
        .flow_with("work", body, options)
        .start()
        .await
        .unwrap();
    let flow = engine.flow::<u32, u32>("work").unwrap();
    let first = flow.submit(1).await.unwrap();
    while begun.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
    let second = flow.submit(2).await.unwrap();
    first.cancel().await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!([state_of(&first).await, state_of(&second).await], [State::Processing, State::Enqueued]);
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(second.wait().await.unwrap(), 1);
    engine.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn one_job_lives_of_a_unique_key() {
    let (store, seen) = (memory(), Seen::default());
    let (_engine, flow) = node(&store, &Faults::new(), &seen, FlowOptions::new()).await;
    let unique = |if_live| SubmitOptions::new().unique("report", if_live);
    let later = |if_live| unique(if_live).run_in(3600 * SECOND);
    let first = flow.submit_with("a".into(), later(IfLive::Reuse)).await.unwrap();
    let again = flow.submit_with("b".into(), unique(IfLive::Reuse)).await.unwrap();
    assert_eq!(first.id(), again.id());
    let instead = flow.submit_with("c".into(), unique(IfLive::Replace)).await.unwrap();
    assert_ne!(first.id(), instead.id());
    assert_eq!(state_of(&first).await, State::Cancelled);
    sleep(SECOND / 20).await;
    assert_eq!(state_of(&instead).await, State::Processing);
    let beside = flow.submit_with("d".into(), unique(IfLive::Replace)).await.unwrap();
    assert_eq!(beside.id(), instead.id(), "one that runs stays");
    instead.wait().await.unwrap();
    let anew = flow.submit_with("e".into(), unique(IfLive::Reuse)).await.unwrap();
    assert_ne!(anew.id(), instead.id());
    anew.wait().await.unwrap();
    assert_eq!(seen.starts(), ["c", "e"]);
    for options in [SubmitOptions::new().unique("", IfLive::Reuse), SubmitOptions::new().limit_key("x".repeat(256))] {
        assert!(matches!(flow.submit_with("f".into(), options).await, Err(SubmitError::Key(_))));
    }
    let owned = |length| SubmitOptions::new().owner("o".repeat(length));
    flow.submit_with("f".into(), owned(1024)).await.unwrap();
    assert!(matches!(flow.submit_with("f".into(), owned(1025)).await, Err(SubmitError::Owner(_))));
}
