//! What depends on how long ago it was.

use asyncflow_core::Clock;

use super::{Cases, Probe, Request};

const HOUR: i64 = 3600;

pub(super) fn cases(cases: &mut Cases) {
    cases.add("Retry-After is a tenth of the job's age, from 1 to 10 seconds", retry_after);
    cases.add("a job's time of creation stays what it was", creation);
    cases.add("a key is kept for 24 hours from its first use", key_retention);
}

async fn retry_after(t: Probe) {
    for age in [0, 15, 25, 55, 95, 200] {
        t.world.clock.shift(-age);
        let before = t.world.clock.now();
        let job = t.quiet().puppet("puppet").await;
        let enqueued = t.world.clock.now();
        t.world.clock.shift(0);
        for request in
            [Request::get(job.path("status")), Request::get(job.path("result")), Request::post(job.path("cancel"))]
        {
            let least = t.world.clock.now().since(enqueued);
            let answer = t.quietly(request).await;
            let most = t.world.clock.now().since(before);
            let [least, most] = [least, most].map(|age| (age.as_secs() / 10).clamp(1, 10));
            let seconds = answer.header("retry-after").parse();
            let right = seconds.is_ok_and(|seconds| (least..=most).contains(&seconds));
            answer.expect(right, &format!("a `retry-after` from {least} to {most}"));
        }
    }
}

async fn creation(t: Probe) {
    let keyed = || Request::post("/puppet").with("idempotency-key", "k").json("{}");
    let enqueued = t.send(keyed()).await;
    let job = t.attach(&enqueued.is(202).id()).await;
    t.world.clock.shift(90);
    t.send(Request::get(job.path("status"))).await.is(200).says("/CreatedAt", enqueued.at("/DateTime"));
    t.send(keyed()).await.is(202).says("/DateTime", enqueued.at("/DateTime"));
    let later = t.send(Request::post("/puppet").json("{}")).await;
    later.is(202).expect(later.at("/DateTime") != enqueued.at("/DateTime"), "a later time for a later job");
}

async fn key_retention(t: Probe) {
    let keyed = || Request::post("/puppet").with("idempotency-key", "k").json("{}");
    let first = t.send(keyed()).await.is(202).id();
    t.world.clock.shift(12 * HOUR);
    t.send(keyed()).await.is(202).says("/RequestId", first.clone());
    // The second use did not prolong it.
    t.world.clock.shift(23 * HOUR);
    t.send(keyed()).await.is(202).says("/RequestId", first.clone());
    t.world.clock.shift(24 * HOUR + 1);
    let later = t.send(keyed()).await;
    later.is(202).expect(later.id() != first, "another job");
}
