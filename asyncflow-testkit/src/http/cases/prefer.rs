//! How `Prefer` is read.

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a wait is said back in Preference-Applied, and never more than 25 seconds", applied);
    cases.add("the first well-formed wait wins", first_wins);
    cases.add("what is malformed or unknown is ignored", ignored);
    cases.add("a bare wait means the longest", bare);
    cases.add("respond-async is confirmed where the answer is 202", respond_async);
    cases.add("without a preference none is said to be applied", none);
    cases.add("an endpoint that cannot wait takes the preference all the same", elsewhere);
}

/// Every one is asked of a job that has ended, so none of them waits.
async fn table(t: &Probe, rows: &[(&[&str], Option<&str>)]) {
    let id = t.done("echo", "1").await;
    for what in ["status", "result"] {
        for (values, applied) in rows {
            let request = values
                .iter()
                .fold(Request::get(format!("/echo/{id}/{what}")), |request, value| request.with("prefer", value));
            let answer = t.send(request).await;
            match applied {
                Some(applied) => answer.is(200).has("preference-applied", applied),
                None => answer.is(200).lacks("preference-applied"),
            };
        }
    }
}

async fn applied(t: Probe) {
    table(
        &t,
        &[
            (&["wait=0"], Some("wait=0")),
            (&["wait=1"], Some("wait=1")),
            (&["wait=25"], Some("wait=25")),
            (&["wait=26"], Some("wait=25")),
            (&["wait=4294967296"], Some("wait=25")),
            (&["wait=99999999999999999999999999"], Some("wait=25")),
            (&["wait=007"], Some("wait=7")),
            (&["wait=\"3\""], Some("wait=3")),
            (&["WAIT=3"], Some("wait=3")),
            (&["wait = 3"], Some("wait=3")),
            (&["wait=3;unknown=1"], Some("wait=3")),
        ],
    )
    .await;
}

async fn first_wins(t: Probe) {
    table(
        &t,
        &[
            (&["wait=1, wait=2"], Some("wait=1")),
            (&["wait=1", "wait=2"], Some("wait=1")),
            (&["wait=x, wait=2"], Some("wait=2")),
            (&["wait=x", "wait=-1, wait=2"], Some("wait=2")),
            (&["handling=lenient, wait=2"], Some("wait=2")),
            (&["text=\"a, wait=9\", wait=2"], Some("wait=2")),
            (&["text=\"a\\\", wait=9\", wait=2"], Some("wait=2")),
            (&[",, ,wait=2,"], Some("wait=2")),
        ],
    )
    .await;
}

async fn ignored(t: Probe) {
    table(
        &t,
        &[
            (&["wait=-1"], None),
            (&["wait=1.5"], None),
            (&["wait=1s"], None),
            (&["wait=+1"], None),
            (&["wait=0x1"], None),
            (&["waiting=1"], None),
            (&["return=minimal"], None),
            (&["="], None),
            (&[""], None),
            (&[";;wait"], None),
        ],
    )
    .await;
}

async fn bare(t: Probe) {
    table(&t, &[(&["wait"], Some("wait=25")), (&["wait="], Some("wait=25")), (&["wait=\"\""], Some("wait=25"))]).await;
}

async fn respond_async(t: Probe) {
    let enqueue = Request::post("/puppet").with("prefer", "respond-async").json("{}");
    let answer = t.send(enqueue).await;
    answer.is(202).has("preference-applied", "respond-async");
    let result = Request::get(format!("/puppet/{}/result", answer.id())).with("prefer", "respond-async");
    t.send(result).await.is(202).has("preference-applied", "respond-async");

    let both = Request::post("/puppet").with("prefer", "respond-async, wait=0").json("{}");
    let answer = t.send(both).await;
    answer.is(202);
    answer.expect(answer.items("preference-applied") == ["respond-async", "wait=0"], "both preferences to be applied");

    let id = t.done("echo", "1").await;
    let result = Request::get(format!("/echo/{id}/result")).with("prefer", "respond-async");
    t.send(result).await.is(200).lacks("preference-applied");
}

async fn none(t: Probe) {
    let job = t.puppet("puppet").await;
    t.send(Request::get(job.path("status"))).await.is(200).lacks("preference-applied");
    t.send(Request::get(job.path("result"))).await.is(202).lacks("preference-applied");
}

async fn elsewhere(t: Probe) {
    let job = t.puppet("puppet").await;
    t.send(Request::get(job.path("error")).wait(25)).await.is(204);
    t.send(Request::post(job.path("cancel")).wait(25)).await.is(202);
    t.send(Request::delete(job.path("")).wait(25)).await.is(204);
}
