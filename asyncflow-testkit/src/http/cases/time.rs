//! What depends on how long ago it was.

use std::time::Duration;

use super::{Cases, Probe, Request};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn cases(cases: &mut Cases) {
    cases.add("Retry-After is a tenth of the job's age, from 1 to 10 seconds", retry_after);
    cases.add("a job's time of creation stays what it was", creation);
    cases.add("a key is kept for 24 hours from its first use", key_retention);
}

async fn retry_after(t: Probe) {
    let job = t.puppet("puppet").await;
    let mut age = 0;
    for (now, seconds) in [(0, "1"), (9, "1"), (19, "1"), (20, "2"), (29, "2"), (30, "3"), (99, "9"), (100, "10"), (7200, "10")] {
        t.world.clock.advance((now - age) * SECOND);
        age = now;
        t.send(Request::get(job.path("status"))).await.is(200).has("retry-after", seconds);
        t.send(Request::get(job.path("result"))).await.is(202).has("retry-after", seconds);
    }
    t.send(Request::post(job.path("cancel"))).await.is(202).has("retry-after", "10");
}

async fn creation(t: Probe) {
    let keyed = || Request::post("/puppet").with("idempotency-key", "k").json("{}");
    let enqueued = t.send(keyed()).await;
    enqueued.is(202).says("/DateTime", "2023-08-14T15:30:45Z");
    let job = t.attach(&enqueued.id()).await;
    t.world.clock.advance(90 * SECOND);
    t.send(Request::get(job.path("status"))).await.is(200).says("/CreatedAt", "2023-08-14T15:30:45Z");
    t.send(keyed()).await.is(202).says("/DateTime", "2023-08-14T15:30:45Z");
    t.send(Request::post("/puppet").json("{}")).await.is(202).says("/DateTime", "2023-08-14T15:32:15Z");
}

async fn key_retention(t: Probe) {
    let keyed = || Request::post("/puppet").with("idempotency-key", "k").json("{}");
    let first = t.send(keyed()).await.is(202).id();
    t.world.clock.advance(12 * HOUR);
    t.send(keyed()).await.is(202).says("/RequestId", first.clone());
    t.world.clock.advance(12 * HOUR - SECOND);
    t.send(keyed()).await.is(202).says("/RequestId", first.clone());
    t.world.clock.advance(2 * SECOND);
    let later = t.send(keyed()).await;
    later.is(202).expect(later.id() != first, "another job");
}
