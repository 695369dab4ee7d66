//! How large a body may be, and how many jobs may wait.

use bytes::Bytes;

use super::{Cases, Probe, Request, chunk};

/// What the flow `small` takes.
const SMALL: usize = 1024;
const DEFAULT: usize = 2 * 1024 * 1024;

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a body is taken up to the limit, which is set per flow", per_flow);
    cases.add("a body is taken up to 2 MiB where no limit is set", default);
    cases.add("a body that says it is too large is refused before a byte of it is read", declared);
    cases.add("a body that turns out too large is refused without reading the rest", streamed);
    cases.add("an endless body is refused", endless);
    cases.add("a refused body makes no job", no_job);
    cases.add("a client that asks first is told before it sends", expect_continue);
    cases.add("where too many jobs of the flow wait, the next is the problem too-many-waiting", too_many_waiting);
}

/// A JSON text of so many bytes.
fn text(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

fn declared_as(flow: &str, length: impl ToString) -> Request {
    let request = Request::post(format!("/{flow}")).with("content-type", "application/json");
    request.with("content-length", length.to_string())
}

async fn per_flow(t: Probe) {
    t.send(Request::post("/small").json(text(SMALL))).await.is(202);
    t.send(Request::post("/small").json(text(SMALL + 1))).await.problem(413, "body-too-large");
    let chunked = |body: &str| {
        let chunks: Vec<_> = body.as_bytes().chunks(100).collect();
        Request::post("/small").with("content-type", "application/json").chunked(&chunks)
    };
    t.send(chunked(&text(SMALL))).await.is(202);
    t.send(chunked(&text(SMALL + 1))).await.problem(413, "body-too-large");
    t.send(Request::post("/echo").json(text(SMALL + 1))).await.is(202);
}

async fn default(t: Probe) {
    t.send(Request::post("/raw").json(text(DEFAULT))).await.is(202);
    t.send(Request::post("/raw").json(text(DEFAULT + 1))).await.problem(413, "body-too-large");
}

async fn declared(t: Probe) {
    for length in ["1025", "3000000", "9223372036854775807"] {
        // Nothing follows the head: were a byte waited for, there would be no answer.
        t.send(declared_as("small", length)).await.problem(413, "body-too-large");
    }
}

async fn streamed(t: Probe) {
    let head = Request::post("/small").with("content-type", "application/json").with("transfer-encoding", "chunked");
    // One byte more than allowed, and no end.
    let chunks = [chunk(text(SMALL).as_bytes()), chunk(b" ")].concat();
    t.send(head.raw(chunks)).await.problem(413, "body-too-large");
}

async fn endless(t: Probe) {
    let head = Request::post("/small").with("content-type", "application/json").with("transfer-encoding", "chunked");
    let answer = t.flood(head, chunk(&[b' '; 4096])).await;
    answer.problem(413, "body-too-large");
    let head = Request::post("/echo").with("content-type", "application/json").with("transfer-encoding", "chunked");
    let answer = t.flood(head, chunk(&[b'['; 65536])).await;
    answer.expect(matches!(answer.status, 400 | 413), "400 or 413");
}

async fn no_job(t: Probe) {
    let request = declared_as("puppet", DEFAULT + 1).with("idempotency-key", "k");
    t.send(request).await.problem(413, "body-too-large");
    // Nothing was stored under the key either.
    t.send(Request::post("/puppet").with("idempotency-key", "k").json("{}")).await.is(202);
    t.stored("puppet", 1).await;
}

async fn expect_continue(t: Probe) {
    let refused = t.send(declared_as("small", SMALL + 1).with("expect", "100-continue")).await;
    refused.problem(413, "body-too-large").expect(refused.interim.is_empty(), "no 100 before a refusal");
    let mut asked = t.open(declared_as("small", 1).with("expect", "100-continue")).await;
    asked.send(b"1").await;
    let answer = asked.answer().await;
    answer.is(202).expect(answer.interim == [100], "100 before the answer");
}

async fn too_many_waiting(t: Probe) {
    let running = t.puppet("full").await;
    let waiting = t.job("full").await;
    t.send(Request::post("/full").json("{}")).await.problem(503, "too-many-waiting").has("retry-after", "1");
    t.send(Request::post("/full").wait(25).json("{}")).await.problem(503, "too-many-waiting");
    // Other flows are not concerned.
    t.send(Request::post("/echo").json("1")).await.is(202);
    running.succeed(().into());
    t.attach(&waiting).await;
    t.send(Request::post("/full").json(Bytes::from_static(b"{}"))).await.is(202);
}
