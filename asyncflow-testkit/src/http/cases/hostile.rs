//! What nobody should send.

use std::time::Duration;

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a body that ends too soon makes no job", truncated);
    cases.add("chunks that are malformed make no job", bad_chunks);
    cases.add("a head that is malformed is refused, and the server goes on", bad_heads);
    cases.add("heads that are too large are refused, and the server goes on", large_heads);
    cases.add("odd bytes in a path are not found, whatever the path", odd_paths);
    cases.add("ids at random are not found", random_ids);
    cases.add("one connection serves one request after the other, whatever they were answered", keep_alive);
    cases.add("requests that come all at once are answered in order", pipelined);
    cases.add("a client that is silent holds nobody up", silent);
}

/// The mount still answers, and what was sent made no job.
async fn unharmed(t: &Probe) {
    t.quietly(Request::get("/nope")).await.problem(404, "not-found");
    t.stored("puppet", 0).await;
}

async fn truncated(t: Probe) {
    let json = || Request::post("/puppet").with("content-type", "application/json");
    for request in [
        json().with("content-length", "3").raw("{}"),
        json().with("transfer-encoding", "chunked"),
        json().with("transfer-encoding", "chunked").raw("2\r\n{}\r\n"),
        json().with("transfer-encoding", "chunked").raw("3\r\n{}"),
    ] {
        t.cut_off(request).await;
    }
    unharmed(&t).await;
}

async fn bad_chunks(t: Probe) {
    for chunks in ["x\r\n", "-1\r\n{}\r\n", "2\r\n{}x\r\n0\r\n\r\n", "ffffffffffffffffff\r\n{}"] {
        let request = Request::post("/puppet").with("content-type", "application/json");
        t.cut_off(request.with("transfer-encoding", "chunked").raw(chunks)).await;
    }
    unharmed(&t).await;
}

async fn bad_heads(t: Probe) {
    for head in [
        "\r\n\r\n",
        "x\r\n\r\n",
        "POST /puppet\r\n\r\n",
        "POST /puppet HTTP/9.9\r\n\r\n",
        "POST /puppet HTTP/1.1\r\nhost x\r\n\r\n",
        "POST /puppet HTTP/1.1\r\nhost: x\r\n folded: y\r\n\r\n",
        "POST /puppet HTTP/1.1\r\nhost: x\r\na\0b: y\r\n\r\n",
        "POST /puppet HTTP/1.1\r\nhost: x\r\na: \0\r\n\r\n",
        "POST /pup pet HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST /puppet HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: -1\r\n\r\n{}",
        "POST /puppet HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2x\r\n\r\n{}",
        "POST /puppet HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "POST /puppet HTTP/1.1\r\nhost: x\r\ncontent-length: 18446744073709551615\r\n\r\n{}",
        "POST /puppet HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\n{}",
        "\u{16}\u{3}\u{1}\0\u{1}",
    ] {
        t.raw(head.as_bytes()).await;
    }
    unharmed(&t).await;
}

async fn large_heads(t: Probe) {
    let many = (0..2000).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    t.raw(format!("POST /puppet HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).await;
    let long = "y".repeat(2_000_000);
    t.raw(format!("POST /puppet HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n").as_bytes()).await;
    t.raw(format!("POST /{long} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await;
    t.raw(long.as_bytes()).await;
    unharmed(&t).await;
}

async fn odd_paths(t: Probe) {
    for path in [
        "/puppet/%00/status",
        "/puppet/%2e%2e/status",
        "/puppet/..%2f..%2fetc%2fpasswd",
        "/puppet/../../../etc/passwd",
        "/%",
        "/puppet/%zz/status",
        "/puppet/%ff%fe/status",
        "/puppet/{}/status",
        "/puppet/'or'1'='1/status",
        "/puppet/\u{1f980}/status",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            // A framework may refuse some of these itself, in its own words.
            let answer = t.foreign(Request::new(method, path)).await;
            answer.expect((400..500).contains(&answer.status), "a refusal");
            let told = String::from_utf8_lossy(&answer.body);
            answer.expect(!told.contains(".rs") && !told.contains("127.0.0.1"), "nothing of the server's inside");
        }
    }
    unharmed(&t).await;
}

async fn random_ids(t: Probe) {
    let mut id = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834_u128;
    for _ in 0..200 {
        id = id.wrapping_mul(0xda94_2042_e4dd_58b5).rotate_left(37) ^ 0x5851_f42d_4c95_7f2d;
        let hex = format!("{id:032x}");
        let uuid = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        t.quietly(Request::get(format!("/echo/{uuid}/result"))).await.problem(404, "not-found");
    }
}

async fn keep_alive(t: Probe) {
    let requests = [
        Request::get("/nope"),
        Request::new("HEAD", "/nope"),
        Request::post("/echo").json("1"),
        Request::post("/echo").json("{"),
        Request::new("OPTIONS", "/echo"),
        Request::get(format!("/echo/{}/status", super::UNKNOWN)),
        Request::post("/echo").json("2"),
    ];
    let statuses = t.in_turn(&requests).await;
    assert_eq(&statuses, &[404, 404, 202, 400, 204, 404, 202]);
}

async fn pipelined(t: Probe) {
    let requests = [
        Request::post("/echo").json("1"),
        Request::get("/nope"),
        Request::new("HEAD", "/echo"),
        Request::post("/echo").json("2"),
    ];
    assert_eq(&t.pipelined(&requests).await, &[202, 404, 405, 202]);
}

#[track_caller]
pub(super) fn assert_eq(got: &[u16], expected: &[u16]) {
    if got != expected {
        super::fail(&format!("expected: statuses {expected:?}\ngot:      {got:?}"));
    }
}

async fn silent(t: Probe) {
    let json = Request::post("/puppet").with("content-type", "application/json");
    let mut silent = t.quiet().open(json.with("content-length", "2")).await;
    silent.stays_open(Duration::from_millis(20)).await;
    unharmed(&t).await;
}
