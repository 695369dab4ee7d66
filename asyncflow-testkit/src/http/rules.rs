//! What holds for every answer, whatever was asked: checked each time a case gets one.

use serde_json::Value;

use super::exchange::Exchange;

/// The problem types with the statuses that they come with.
const PROBLEMS: [(&str, u16); 18] = [
    ("not-found", 404),
    ("method-not-allowed", 405),
    ("unauthorized", 401),
    ("forbidden", 403),
    ("unsupported-media-type", 415),
    ("invalid-idempotency-key", 400),
    ("body-too-large", 413),
    ("invalid-json", 400),
    ("invalid-request", 400),
    ("invalid-request", 422),
    ("idempotency-key-reused", 422),
    ("over-quota", 429),
    ("too-many-waiting", 503),
    ("unavailable", 503),
    ("job-failed", 404),
    ("job-cancelled", 404),
    ("job-ended", 409),
    ("internal", 500),
];

#[track_caller]
pub(super) fn check(exchange: &Exchange) {
    framing(exchange);
    caching(exchange);
    retry(exchange);
    if exchange.status >= 400 {
        problem(exchange);
    }
    let head = exchange.headers.iter().map(|(_, value)| value.as_str());
    let body = String::from_utf8_lossy(if exchange.status < 400 { b"" } else { &exchange.body });
    for text in head.chain([&*body]) {
        for leak in [".rs", "/src/", "panicked", "127.0.0.1", "[::1]"] {
            exchange.expect(!text.contains(leak), &format!("nothing that says {leak:?}"));
        }
    }
}

/// Lengths are known beforehand and said, and never where there can be no body.
#[track_caller]
fn framing(exchange: &Exchange) {
    exchange.lacks("transfer-encoding");
    match exchange.status {
        204 => _ = exchange.lacks("content-length").lacks("content-type"),
        304 => _ = exchange.lacks("content-type"),
        _ => _ = exchange.header("content-length"),
    }
}

/// `no-store` on all but a result, which is private and revalidated; tags are weak, as an outer layer may compress.
#[track_caller]
fn caching(exchange: &Exchange) {
    for tag in exchange.all("etag") {
        exchange.expect(tag.starts_with("W/\"") && tag.ends_with('"'), "a weak tag");
    }
    let path = exchange.request.target.split('?').next().unwrap_or_default();
    let result = path.ends_with("/result") || exchange.request.method == "POST" && !path.ends_with("/cancel");
    match exchange.status {
        200 if result => {
            exchange.has("cache-control", "private, no-cache").has("x-content-type-options", "nosniff");
            exchange.header("etag");
        }
        304 if result => _ = exchange.has("cache-control", "private, no-cache").header("etag"),
        304 => _ = exchange.has("cache-control", "no-store").header("etag"),
        _ => _ = exchange.has("cache-control", "no-store"),
    }
}

/// There where asking again may bring something else, from 1 to 10 seconds, and nowhere else.
#[track_caller]
fn retry(exchange: &Exchange) {
    let status = serde_json::from_slice::<Value>(&exchange.body).ok();
    let status = status.as_ref().and_then(|body| body.get("Status").or_else(|| body.get("status"))?.as_str());
    let expected = match (exchange.status, status) {
        (200 | 202, Some(status)) => !matches!(status, "Succeeded" | "Failed" | "Cancelled"),
        // The status of a `HEAD` is not to be seen.
        (200, None) if exchange.request.method == "HEAD" => return,
        (code, _) => matches!(code, 202 | 429 | 503),
    };
    if !expected {
        exchange.lacks("retry-after");
    } else {
        let seconds = exchange.header("retry-after").parse();
        exchange.expect(seconds.is_ok_and(|seconds: u8| (1..=10).contains(&seconds)), "a `retry-after` from 1 to 10");
    }
}

#[track_caller]
fn problem(exchange: &Exchange) {
    exchange.has("content-type", "application/problem+json");
    if exchange.request.method == "HEAD" {
        return;
    }
    let Value::Object(members) = exchange.json() else { exchange.fail("a problem that is an object") };
    let mut names: Vec<_> = members.keys().map(String::as_str).collect();
    names.sort_unstable();
    exchange.expect(names == ["detail", "instance", "status", "title", "type"], "just the members of a problem");
    exchange.says("/status", exchange.status);
    let text = |name: &str| members[name].as_str().unwrap_or_default();
    exchange.expect(!text("title").is_empty() && !text("detail").is_empty(), "a `title` and a `detail`");
    let (base, kind) = text("type").rsplit_once('/').unwrap_or_default();
    exchange.expect(base.contains("://"), "a `type` that is an absolute URI");
    exchange.expect(PROBLEMS.contains(&(kind, exchange.status)), "a `type` that is known and fits the status");
    let instance = text("instance").strip_prefix("urn:uuid:").unwrap_or_default();
    exchange.expect(super::transcript::masked(instance) == "<id1>", "an `instance` that is a `urn:uuid:`");
}

#[cfg(test)]
mod tests {
    use super::super::exchange::Failure;
    use super::super::request::Request;
    use super::super::wire::Answer;
    use super::*;

    /// An exchange whose answer has the caching, framing and content type that all have, and these.
    fn exchange(request: Request, status: u16, headers: &[(&str, &str)], body: &str) -> Exchange {
        let length = body.len().to_string();
        let usual = [("content-length", length.as_str()), ("cache-control", "no-store")];
        let usual = usual.iter().filter(|(name, _)| !headers.iter().any(|(given, _)| given == name));
        let headers = usual.chain(headers).filter(|(_, value)| !value.is_empty());
        let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let body = body.to_owned().into();
        Exchange { request, answer: Answer { interim: vec![], status, reason: "x".into(), headers, body } }
    }

    fn passes(exchange: &Exchange) -> bool {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(exchange)));
        outcome.map_err(|panic| assert!(panic.is::<Failure>(), "it fails in words")).is_ok()
    }

    fn get(path: &str) -> Request {
        Request::get(path)
    }

    const PROBLEM: &str = r#"{"type":"https://x/problems/not-found","title":"t","status":404,"detail":"d","instance":"urn:uuid:0192f3a4-5b6c-7d8e-9f01-23456789abcd"}"#;
    const JSON: (&str, &str) = ("content-type", "application/problem+json");

    #[test]
    fn a_problem_is_looked_at_in_all_its_parts() {
        assert!(passes(&exchange(get("/x"), 404, &[JSON], PROBLEM)));
        assert!(passes(&exchange(Request::new("HEAD", "/x"), 404, &[JSON], "")));
        for (part, wrong) in [
            ("https://x/problems/not-found", "/problems/not-found"),
            ("not-found", "unheard-of"),
            ("not-found", "forbidden"),
            ("404", "405"),
            ("\"d\"", "\"\""),
            ("\"d\"", "1"),
            ("\"t\"", "null"),
            ("urn:uuid:", ""),
            ("0192f3a4", "0192"),
            ("\"status\"", "\"code\""),
            ("{", "{\"more\":1,"),
            ("\"d\"", "\"panicked at src/main.rs\""),
        ] {
            let broken = PROBLEM.replace(part, wrong);
            assert!(!passes(&exchange(get("/x"), 404, &[JSON], &broken)), "{broken}");
        }
        assert!(!passes(&exchange(get("/x"), 404, &[("content-type", "application/json")], PROBLEM)));
        assert!(!passes(&exchange(get("/x"), 404, &[], PROBLEM)));
        assert!(!passes(&exchange(get("/x"), 404, &[JSON], "not found")));
    }

    #[test]
    fn only_a_result_may_be_kept() {
        let private = ("cache-control", "private, no-cache");
        let (nosniff, tag) = (("x-content-type-options", "nosniff"), ("etag", "W/\"1\""));
        assert!(passes(&exchange(get("/a/b/result"), 200, &[private, nosniff, tag], "1")));
        assert!(passes(&exchange(Request::post("/a?b"), 200, &[private, nosniff, tag], "1")));
        assert!(!passes(&exchange(get("/a/b/result"), 200, &[nosniff, tag], "1")));
        assert!(!passes(&exchange(get("/a/b/result"), 200, &[private, tag], "1")));
        assert!(!passes(&exchange(get("/a/b/result"), 200, &[private, nosniff], "1")));
        assert!(!passes(&exchange(get("/a/b/error"), 200, &[private, nosniff, tag], "1")));
        assert!(!passes(&exchange(get("/a/b/error"), 200, &[("cache-control", "")], "1")));
        assert!(passes(&exchange(get("/a/b/result"), 304, &[private, tag], "")));
        assert!(!passes(&exchange(get("/a/b/result"), 304, &[tag], "")));
        assert!(passes(&exchange(get("/a/b/status"), 304, &[tag], "")));
        assert!(!passes(&exchange(get("/a/b/status"), 304, &[], "")));
        assert!(!passes(&exchange(get("/a/b/status"), 304, &[("etag", "\"1\"")], "")));
    }

    #[test]
    fn coming_again_is_asked_for_where_it_helps() {
        let after = |seconds| ("retry-after", seconds);
        assert!(passes(&exchange(get("/a/b/result"), 202, &[after("1")], "")));
        for wrong in ["", "0", "11", "1.5", "x"] {
            assert!(!passes(&exchange(get("/a/b/result"), 202, &[after(wrong)], "")), "{wrong}");
        }
        let status = |state: &str, headers: &[(&str, &str)]| {
            exchange(get("/a/b/status"), 200, headers, &format!(r#"{{"Status":"{state}"}}"#))
        };
        assert!(passes(&status("Processing", &[after("3")])));
        assert!(!passes(&status("Processing", &[])));
        assert!(passes(&status("Failed", &[])));
        assert!(!passes(&status("Failed", &[after("1")])));
        assert!(!passes(&exchange(get("/a/b/status"), 304, &[("etag", "W/\"1\""), after("1")], "")));
    }

    #[test]
    fn lengths_are_said_where_there_is_a_body_and_not_where_there_can_be_none() {
        let no_length = ("content-length", "");
        assert!(passes(&exchange(get("/a/b/error"), 204, &[no_length], "")));
        assert!(!passes(&exchange(get("/a/b/error"), 204, &[], "")));
        assert!(!passes(&exchange(get("/a/b/error"), 200, &[no_length, ("transfer-encoding", "chunked")], "1")));
        assert!(!passes(&exchange(get("/a/b/error"), 200, &[no_length], "1")));
    }

    #[test]
    fn nothing_tells_of_the_server() {
        assert!(!passes(&exchange(get("/a/b/error"), 200, &[("location", "http://127.0.0.1:1/x")], "1")));
        // What a job returned is the job's.
        assert!(passes(&exchange(get("/a/b/error"), 200, &[], "\"/src/main.rs\"")));
    }
}
