//! What JSON is taken, and what is said of other.

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a body that is not JSON is the problem invalid-json, which names the place", not_json);
    cases.add("JSON that does not fit is the problem invalid-request, which names the place", does_not_fit);
    cases.add("a byte order mark is refused", byte_order_mark);
    cases.add("JSON that is not UTF-8 is refused", not_utf8);
    cases.add("JSON is taken up to a depth of 127, and refused beyond it", depth);
    cases.add("depth counts where nobody looks: in unknown members, in flows that keep the bytes", hidden_depth);
    cases.add("what looks deep within a text is not deep", brackets_in_text);
    cases.add("JSON is checked to its end", whole);
}

async fn not_json(t: Probe) {
    for body in ["{", "[1,", "nul", "{'a':1}", "{\"a\":1,}", "[1 2]", "01", "\"", " ", "\n", "undefined", "NaN", "\0"] {
        for flow in FLOWS {
            t.send(Request::post(format!("/{flow}")).json(body)).await.problem(400, "invalid-json");
        }
    }
    let answer = t.send(Request::post("/items").json("{\n  \"items\": [1,,]\n}")).await;
    let detail = answer.at("/detail").to_string();
    answer.expect(detail.contains("line 2") && detail.contains("column 15"), "the line and the column");
}

async fn does_not_fit(t: Probe) {
    for (body, place) in [
        (r#"{"items":[{"count":1},{"count":2},{"count":3},{"count":"x"}]}"#, "items[3].count: "),
        (r#"{"items":[{"count":-1}]}"#, "items[0].count: "),
        (r#"{"items":[{}]}"#, "items[0]: "),
        (r#"{"items":{}}"#, "items: "),
        ("{}", ""),
        ("null", ""),
        ("[]", ""),
        ("1", ""),
    ] {
        let answer = t.send(Request::post("/items").json(body)).await;
        answer.problem(422, "invalid-request");
        let detail = answer.at("/detail");
        answer
            .expect(detail.as_str().is_some_and(|detail| detail.contains(place)), &format!("a detail with {place:?}"));
    }
}

async fn byte_order_mark(t: Probe) {
    for flow in FLOWS {
        for body in ["\u{feff}{}", "\u{feff}", "\u{feff}null"] {
            t.send(Request::post(format!("/{flow}")).json(body)).await.problem(400, "invalid-json");
        }
    }
}

async fn not_utf8(t: Probe) {
    for flow in FLOWS {
        for body in [b"\"\xff\"".as_slice(), b"\"\xc3\"", b"\"\xed\xa0\x80\"", b"\xff\xfe1\0", b"{\"\xc0\xaf\":1}"] {
            t.send(Request::post(format!("/{flow}")).json(body)).await.problem(400, "invalid-json");
        }
    }
}

/// One that looks at the value, one that keeps the text, one that has a type, and one that takes any bytes.
const FLOWS: [&str; 4] = ["echo", "raw", "items", "any"];

fn nested(depth: usize, open: &str, inner: &str, close: &str) -> String {
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

async fn depth(t: Probe) {
    for (open, inner, close) in [("[", "", "]"), ("{\"a\":", "1", "}"), (" [ 1, ", "2", " ] ")] {
        let deepest = nested(127, open, inner, close);
        let id = t.send(Request::post("/raw").json(deepest.clone())).await.is(202).id();
        t.ended("raw", &id).await;
        t.send(Request::get(format!("/raw/{id}/result"))).await.is(200).body_is(deepest.trim());
        t.send(Request::post("/echo").json(deepest)).await.is(202);
        for flow in FLOWS {
            let deeper = nested(128, open, inner, close);
            t.send(Request::post(format!("/{flow}")).json(deeper)).await.problem(400, "invalid-json");
        }
    }
    // Beside each other they are not within each other.
    t.send(Request::post("/echo").json(format!("[{}[]]", "[],".repeat(1000)))).await.is(202);
}

async fn hidden_depth(t: Probe) {
    let request = |depth| format!(r#"{{"items":[],"unknown":{}}}"#, nested(depth, "[", "", "]"));
    t.send(Request::post("/items").json(request(126))).await.is(202);
    t.send(Request::post("/items").json(request(127))).await.problem(400, "invalid-json");
    // Depth is a matter of the JSON, which comes before what fits.
    let unfit = format!(r#"{{"items":"x","unknown":{}}}"#, nested(127, "[", "", "]"));
    t.send(Request::post("/items").json(unfit)).await.problem(400, "invalid-json");
    for flow in FLOWS {
        let deep = nested(100_000, "[", "", "]");
        t.send(Request::post(format!("/{flow}")).json(deep)).await.problem(400, "invalid-json");
        let open = "[".repeat(100_000);
        t.send(Request::post(format!("/{flow}")).json(open)).await.problem(400, "invalid-json");
    }
}

async fn brackets_in_text(t: Probe) {
    let text = format!(r#"["{}","\"[[","\\",{{"{}":1}}]"#, "[".repeat(500), "{".repeat(500));
    let id = t.send(Request::post("/echo").json(text.clone())).await.is(202).id();
    t.ended("echo", &id).await;
    t.send(Request::get(format!("/echo/{id}/result"))).await.is(200).body_is(text);
}

async fn whole(t: Probe) {
    for body in ["{} x", "{}{}", "1 2", "null,", "[]]", r#"{"items":[]} {"items":[]}"#] {
        for flow in FLOWS {
            t.send(Request::post(format!("/{flow}")).json(body)).await.problem(400, "invalid-json");
        }
    }
    t.send(Request::post("/items").json(" \r\n\t{\"items\" : [] } \n")).await.is(202);
    // Bad JSON is bad JSON though what comes before its end does not fit either.
    t.send(Request::post("/items").json(r#"{"items":"x""#)).await.problem(400, "invalid-json");
    t.send(Request::post("/items").json(r#"{"items":"x"} x"#)).await.problem(400, "invalid-json");
}
