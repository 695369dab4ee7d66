//! What a body may be.

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("JSON may be sent as application/json or as any +json, with parameters", json_types);
    cases.add("a body of another type is the problem unsupported-media-type, with Accept", other_types);
    cases.add("a non-empty body without a type, or with two, is refused", no_type_or_two);
    cases.add("a chunked body without a type is refused at its first byte", chunked_without_type);
    cases.add("a text that says another charset than UTF-8 is refused", charsets);
    cases.add("a content encoding other than identity is refused", encodings);
    cases.add("an empty body is JSON null, whatever its type and encoding say", empty_is_null);
    cases.add("a flow that takes text is sent text, and JSON too", text);
    cases.add("an empty text is an empty text", empty_text);
    cases.add("text that is not UTF-8 is refused", text_not_utf8);
    cases.add("a flow that takes anything is given it as it is, with its type", anything);
    cases.add("a body may come in any number of pieces", pieces);
}

fn typed(content_type: &str) -> Request {
    Request::post("/echo").with("content-type", content_type)
}

async fn json_types(t: Probe) {
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
        "application/json ; charset=\"utf-8\"",
        "application/json; version=1",
        "application/problem+json",
        "application/vnd.api+json",
        "application/vnd.api+JSON; ext=\"x\"",
        "image/x+json",
    ] {
        let answer = t.send(typed(content_type).body("[1]")).await;
        answer.is(202);
        t.ended("echo", &answer.id()).await;
        t.quietly(Request::get(format!("/echo/{}/result", answer.id()))).await.is(200).body_is("[1]");
    }
}

async fn other_types(t: Probe) {
    for content_type in [
        "text/plain",
        "text/json",
        "application/jsonx",
        "application/x-json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml; a=\"application/json\"",
        "application/json, text/plain",
        "json",
        "+json",
        "*/*",
        "application/*",
        "",
        "/",
    ] {
        let answer = t.send(typed(content_type).body("1")).await;
        answer.problem(415, "unsupported-media-type");
        answer.expect(answer.items("accept").contains(&"application/json"), "`accept` with application/json");
    }
    let binary = Request::post("/echo").with("content-type", b"application/json\xff").body("1");
    t.send(binary).await.problem(415, "unsupported-media-type");
}

async fn no_type_or_two(t: Probe) {
    t.send(Request::post("/echo").body("1")).await.problem(415, "unsupported-media-type");
    let twice = typed("application/json").with("content-type", "application/json").body("1");
    t.send(twice).await.problem(415, "unsupported-media-type");
    let both = typed("application/json").with("content-type", "text/plain").body("1");
    t.send(both).await.problem(415, "unsupported-media-type");
}

async fn chunked_without_type(t: Probe) {
    let whole = Request::post("/echo").chunked(&[b"1"]);
    t.send(whole).await.problem(415, "unsupported-media-type").header("accept");
    // Just the first chunk is sent: the rest is not waited for.
    let open = Request::post("/echo").with("transfer-encoding", "chunked").raw("1\r\n1\r\n");
    t.send(open).await.problem(415, "unsupported-media-type");
    // Nothing of a body is sent yet: nothing can be refused yet.
    let mut silent = t.open(Request::post("/echo").with("transfer-encoding", "chunked")).await;
    silent.stays_open(std::time::Duration::from_millis(50)).await;
    silent.send(b"0\r\n\r\n").await;
    silent.answer().await.is(202);
}

async fn charsets(t: Probe) {
    for charset in ["iso-8859-1", "utf-16", "\"latin1\"", "windows-1252"] {
        let text = Request::post("/text").with("content-type", format!("text/plain; charset={charset}")).body("x");
        t.send(text).await.problem(415, "unsupported-media-type");
    }
}

async fn encodings(t: Probe) {
    for encoding in ["gzip", "br", "deflate", "identity, gzip", "gzip, identity", "x"] {
        let encoded = typed("application/json").with("content-encoding", encoding).body("1");
        t.send(encoded).await.problem(415, "unsupported-media-type").header("accept");
    }
    for encoding in ["identity", "Identity"] {
        t.send(typed("application/json").with("content-encoding", encoding).body("1")).await.is(202);
    }
}

async fn empty_is_null(t: Probe) {
    let empty = || Request::post("/echo");
    for request in [
        empty(),
        empty().body(""),
        empty().json(""),
        empty().chunked(&[]),
        empty().with("content-type", "application/json").chunked(&[]),
        empty().with("content-type", "text/csv").body(""),
        empty().with("content-type", "nonsense").body(""),
        empty().with("content-type", "text/csv").with("content-type", "text/xml").body(""),
        empty().with("content-encoding", "gzip").body(""),
    ] {
        let id = t.send(request).await.is(202).id();
        t.ended("echo", &id).await;
        t.quietly(Request::get(format!("/echo/{id}/result"))).await.is(200).body_is("null");
    }
    t.send(Request::post("/items")).await.problem(422, "invalid-request");
}

async fn text(t: Probe) {
    let request =
        |content_type: &str, body: &'static str| Request::post("/text").with("content-type", content_type).body(body);
    for request in [
        request("text/plain", "grüße"),
        request("text/plain; charset=utf-8", "grüße"),
        request("Text/Plain;charset=\"UTF-8\"", "grüße"),
        request("application/json", "\"grüße\""),
    ] {
        let id = t.send(request).await.is(202).id();
        t.ended("text", &id).await;
        t.send(Request::get(format!("/text/{id}/result"))).await.is(200).body_is("grüße");
    }
    // Text is not parsed: what would be bad JSON is good text.
    t.send(request("text/plain", "{[\"")).await.is(202);
    t.send(request("application/json", "{[")).await.problem(400, "invalid-json");
    let refused = t.send(request("text/csv", "a")).await;
    refused.problem(415, "unsupported-media-type");
    let accepted = refused.items("accept");
    refused.expect(accepted == ["application/json", "text/plain"], "`accept` with both types");
}

async fn empty_text(t: Probe) {
    for request in [
        Request::post("/text").with("content-type", "text/plain").body(""),
        Request::post("/text").with("content-type", "text/plain"),
        Request::post("/text").with("content-type", "text/plain").chunked(&[]),
    ] {
        let id = t.send(request).await.is(202).id();
        t.ended("text", &id).await;
        t.send(Request::get(format!("/text/{id}/result"))).await.is(200).body_is("");
    }
    t.send(Request::post("/text")).await.problem(422, "invalid-request");
}

async fn text_not_utf8(t: Probe) {
    let text = Request::post("/text").with("content-type", "text/plain").body(b"a\xff".as_slice());
    t.send(text).await.is(400);
}

async fn anything(t: Probe) {
    for content_type in ["image/png", "application/x+json", "text/csv; header=present", "application/octet-stream"] {
        let body = if content_type.ends_with("json") { b"[1]".as_slice() } else { b"\x89PNG\r\n\0" };
        let request = Request::post("/any").with("content-type", content_type).body(body);
        let id = t.send(request).await.is(202).id();
        t.ended("any", &id).await;
        t.send(Request::get(format!("/any/{id}/result"))).await.is(200).body_is(body).has("content-type", content_type);
    }
    t.send(Request::post("/any").body("x")).await.problem(415, "unsupported-media-type").has("accept", "*/*");
    t.send(Request::post("/any").with("content-type", "nonsense").body("x")).await.is(415);
    // What is kept with the job is bounded.
    let long = format!("image/png; a={}", "x".repeat(1100));
    t.send(Request::post("/any").with("content-type", long).body("x")).await.problem(415, "unsupported-media-type");
}

async fn pieces(t: Probe) {
    let body = br#"{"a":"some text"}"#;
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    let id = t.send(typed("application/json").chunked(&bytes)).await.is(202).id();
    t.ended("echo", &id).await;
    t.send(Request::get(format!("/echo/{id}/result"))).await.body_is(body);

    let trailed = typed("application/json").with("transfer-encoding", "chunked").with("trailer", "x-sum");
    t.send(trailed.raw("1\r\n1\r\n0\r\nx-sum: 1\r\n\r\n")).await.is(202);

    let mut slow = t.open(typed("application/json").with("content-length", body.len().to_string())).await;
    for byte in body.chunks(1) {
        slow.send(byte).await;
        tokio::task::yield_now().await;
    }
    slow.answer().await.is(202);
}
