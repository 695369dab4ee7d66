//! Requests whose beginning, end or target is not as one would expect.

use super::{Cases, Probe, Request, UNKNOWN};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a request that breaks off, wherever, makes no job", broken_off);
    cases.add("a request that comes byte by byte is answered as any other", byte_by_byte);
    cases.add("a request with two framings is one request, or refused", two_framings);
    cases.add("chunks may have extensions, and no sizes but hexadecimal ones", chunk_sizes);
    cases.add("a body where none is looked for does not become the next request", bodies_ignored);
    cases.add("a target with scheme and host leads where its path does", absolute_targets);
    cases.add("a target that is no path is refused", odd_targets);
    cases.add("HTTP/1.0 is answered, and its connection closed", old_version);
    cases.add("a client that ends its sending with the request holds nobody up", half_closed);
}

/// The bytes of an enqueue, with further headers and whatever follows the head.
fn post(t: &Probe, headers: &str, payload: &str) -> String {
    let prefix = t.prefix();
    format!(
        "POST {prefix}/puppet HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}\r\n{payload}"
    )
}

async fn going_on(t: &Probe) {
    t.quietly(Request::get("/nope")).await.problem(404, "not-found");
}

async fn broken_off(t: Probe) {
    for whole in
        [post(&t, "content-length: 2\r\n", "{}"), post(&t, "transfer-encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n")]
    {
        for end in 0..whole.len() {
            t.raw(&whole.as_bytes()[..end]).await;
        }
    }
    going_on(&t).await;
    t.stored("puppet", 0).await;
}

async fn byte_by_byte(t: Probe) {
    let whole = post(&t, "transfer-encoding: chunked\r\n", "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n");
    let answers = t.talk(whole.as_bytes().chunks(1)).await;
    assert_statuses(&answers, &["202"]);
    t.stored("puppet", 1).await;
}

async fn two_framings(t: Probe) {
    for headers in [
        "content-length: 2\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 2\r\n",
        "content-length: 2\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, gzip\r\n",
        "transfer-encoding: xchunked\r\ncontent-length: 2\r\n",
        "transfer-encoding: identity\r\ncontent-length: 2\r\n",
        "transfer-encoding : chunked\r\ncontent-length: 2\r\n",
        "content-length: +2\r\n",
        "content-length: 2, 2\r\n",
        "content-length: 0x2\r\n",
    ] {
        let bytes = post(&t, headers, "2\r\n{}\r\n0\r\n\r\n");
        let answers = t.talk([bytes.as_bytes()]).await;
        let statuses = statuses(&answers);
        let one = matches!(statuses[..], [status] if status == "202" || status == "501" || status.starts_with('4'));
        if !(one || answers.is_empty()) {
            super::fail(&format!("expected: one request or a refusal, of {headers:?}\ngot:      {answers}"));
        }
    }
    going_on(&t).await;
}

async fn chunk_sizes(t: Probe) {
    let chunked = |chunks: &str| post(&t, "transfer-encoding: chunked\r\n", chunks);
    for chunks in ["2;a=b\r\n{}\r\n0;c\r\n\r\n", "02\r\n{}\r\n000\r\n\r\n", "2\r\n{}\r\n0\r\na: b\r\n\r\n"] {
        assert_statuses(&t.talk([chunked(chunks).as_bytes()]).await, &["202"]);
    }
    let long = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(100_000));
    for chunks in
        ["+2\r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n", "\r\n{}\r\n0\r\n\r\n", "2 2\r\n{}\r\n0\r\n\r\n", &long]
    {
        t.raw(chunked(chunks).as_bytes()).await;
    }
    t.stored("puppet", 3).await;
}

async fn bodies_ignored(t: Probe) {
    let smuggled = "DELETE /echo HTTP/1.1\r\nhost: x\r\n\r\n";
    let bodied = |method: &str, target: String| Request::new(method, target).body(smuggled);
    let statuses = t
        .in_turn(&[
            bodied("GET", format!("/echo/{UNKNOWN}/status")),
            bodied("HEAD", format!("/echo/{UNKNOWN}/status")),
            bodied("OPTIONS", "/echo".into()),
            bodied("DELETE", format!("/echo/{UNKNOWN}")),
            bodied("POST", format!("/echo/{UNKNOWN}/cancel")),
            Request::post("/echo").json("1"),
        ])
        .await;
    super::hostile::assert_eq(&statuses, &[404, 404, 204, 404, 404, 202]);
}

async fn absolute_targets(t: Probe) {
    let prefix = t.prefix();
    let rest = "HTTP/1.1\r\nhost: conformance\r\nconnection: close\r\n";
    let json = "content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    for (request, status) in [
        (format!("POST http://conformance{prefix}/puppet {rest}{json}"), "202"),
        (format!("POST https://other:81{prefix}/puppet?a=b {rest}{json}"), "202"),
        (format!("GET http://conformance{prefix}/puppet {rest}\r\n"), "405"),
        (format!("GET http://conformance{prefix}/puppet/{UNKNOWN}/status {rest}\r\n"), "404"),
    ] {
        assert_statuses(&t.talk([request.as_bytes()]).await, &[status]);
    }
    t.stored("puppet", 2).await;
}

async fn odd_targets(t: Probe) {
    for line in [
        "OPTIONS *",
        "GET *",
        "CONNECT conformance:80",
        "GET conformance:80",
        "GET http://conformance",
        "GET http:///puppet",
        "GET ?puppet",
        "GET #puppet",
        "POST \\puppet",
        "POST puppet",
        "POST",
        "POST ",
    ] {
        t.raw(format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes()).await;
    }
    going_on(&t).await;
    t.stored("puppet", 0).await;
}

async fn old_version(t: Probe) {
    let prefix = t.prefix();
    for (request, status) in [
        (format!("GET {prefix}/puppet/{UNKNOWN}/status HTTP/1.0\r\n\r\n"), "404"),
        (
            format!("POST {prefix}/puppet HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"),
            "202",
        ),
    ] {
        assert_statuses(&t.talk([request.as_bytes()]).await, &[status]);
    }
    // It knows no chunks.
    t.raw(
        format!("POST {prefix}/puppet HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n").as_bytes(),
    )
    .await;
    t.stored("puppet", 1).await;
}

async fn half_closed(t: Probe) {
    // Whether there is still an answer is its server's to say.
    let whole = post(&t, "content-length: 2\r\n", "{}");
    t.half_closed(whole.as_bytes()).await;
    going_on(&t).await;
}

fn statuses(answers: &str) -> Vec<&str> {
    let answers = answers.split("HTTP/1.").skip(1);
    answers.filter_map(|answer| answer.get(2..5)).collect()
}

#[track_caller]
fn assert_statuses(answers: &str, expected: &[&str]) {
    if statuses(answers) != expected {
        super::fail(&format!("expected: statuses {expected:?}\ngot:      {answers}"));
    }
}
