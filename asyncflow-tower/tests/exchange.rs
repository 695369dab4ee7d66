//! Whole requests, whatever they are made of: held against the contract's table of codes. The folder `fuzz` runs the same, guided by
//! coverage.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::{cell::RefCell, convert::Infallible};

use asyncflow_core::{FlowEngine, FlowOptions, FlowRef, JobContext, Raw, Role, SubmitOptions, store::Part};
use asyncflow_tower::FlowService;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;

#[cfg(test)]
#[path = "../../fuzz/at_random.rs"]
mod at_random;

/// What requests are put together of: `$` in a path stands for the id of a job.
#[rustfmt::skip]
pub const EXCHANGE: &[&str] = &[
    "GET ", "POST ", "DELETE ", "HEAD ", "OPTIONS ", "PUT ", "GET /echo/$/status\n", "GET /echo/$/result\n", "POST /echo/$/cancel\n",
    "DELETE /echo/$\n", "POST /echo\n", "POST /small\n", "POST /raw\n", "/", "/echo", "/small", "/raw", "/$", "/status", "/result", "/error",
    "/cancel", "?a=b", "%2f", "\n", "\n\n", "content-type: application/json\n", "content-type: ", "application/json", "text/plain", "a/b",
    "; charset=latin1", "content-encoding: gzip\n", "content-length: ", "idempotency-key: ", "key", "prefer: ", "wait=3", "respond-async",
    "if-none-match: ", "*", "W/\"0\"", ",", "\"", "[", "]", "{\"a\":1}", "1", "null", "\u{feff}", "\u{e9}", " ",
];

struct World {
    runtime: Runtime,
    service: FlowService,
    echo: FlowRef,
    /// Jobs are kept for a minute at least: then there is another world.
    left: usize,
}

impl World {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let engine = runtime.block_on(async {
            let options = || FlowOptions::new().max_waiting(500);
            FlowEngine::builder()
                .role(Role::Serve)
                .flow_with(
                    "echo",
                    |json: Value, _: JobContext| async move { Ok::<_, Infallible>(json) },
                    FlowOptions::new(),
                )
                .flow_with("raw", |raw: Raw, _: JobContext| async move { Ok::<_, Infallible>(raw) }, options())
                .flow_with(
                    "small",
                    |number: u8, _: JobContext| async move { Ok::<_, Infallible>(number) },
                    options().max_request(8),
                )
                .start()
                .await
                .unwrap()
        });
        let echo = engine.flow_ref("echo").unwrap();
        Self { runtime, service: FlowService::new(engine), echo, left: 1000 }
    }
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Sends a request: a method and a path, headers a line each, and after an empty line its body.
pub fn exchange(input: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        let world = match world {
            Some(world) if world.left > 0 => world,
            other => other.insert(World::new()),
        };
        world.left -= 1;
        let _within = world.runtime.enter();
        let job = world.runtime.block_on(world.echo.submit(Part::json("1"), SubmitOptions::new())).unwrap().id;
        if let Some(request) = request(input, &job.to_string()) {
            world.runtime.block_on(answer(&mut world.service, request, &job.to_string()));
        }
    });
}

fn request(input: &[u8], job: &str) -> Option<Request<Full<Bytes>>> {
    let end = input.windows(2).position(|two| two == b"\n\n").unwrap_or(input.len());
    let body = input.get(end + 2..).unwrap_or_default().to_vec();
    let mut lines = input[..end].split(|byte| *byte == b'\n');
    let (method, path) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let mut request = Request::new(Full::from(body));
    *request.method_mut() = Method::from_bytes(method.trim_matches(|c: char| !c.is_ascii_graphic()).as_bytes()).ok()?;
    *request.uri_mut() = Uri::try_from(path.replace('$', job)).ok()?;
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) =
            (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(line[colon + 1..].trim_ascii()));
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    Some(request)
}

async fn answer(service: &mut FlowService, request: Request<Full<Bytes>>, job: &str) {
    let (method, path, headers) =
        (request.method().clone(), request.uri().path().to_owned(), request.headers().clone());
    let body = request.body().clone().collect().await.unwrap().to_bytes();
    let codes =
        codes(&method, &path, job, &body, headers.get_all("content-type").iter().collect::<Vec<_>>().as_slice());
    let answer = service.call(request).await.unwrap();
    let (head, sent) = answer.into_parts();
    let sent = sent.collect().await.unwrap().to_bytes();
    let status = head.status.as_u16();
    let shown = format!("{method} {path} {headers:?} {body:?}: {status} {:?} {sent:?}", head.headers);
    assert!(codes.contains(&status), "not one of {codes:?}: {shown}");
    let said = |name: &str| {
        let values: Vec<_> = head.headers.get_all(name).iter().map(|value| value.to_str().expect("visible")).collect();
        assert!(values.len() <= 1, "{name} is there twice: {shown}");
        values.first().map(|value| (*value).to_owned())
    };
    assert_eq!(said("cache-control").as_deref(), Some("no-store"), "{shown}");
    assert_eq!(said("allow").is_some(), status == 405 || (method == Method::OPTIONS && status == 204), "{shown}");
    assert_eq!(said("accept").is_some(), status == 415, "{shown}");
    assert_eq!(said("etag").is_some(), said("etag").is_some_and(|tag| tag.starts_with("W/\"") && tag.ends_with('"')));
    let bodiless =
        method == Method::HEAD || matches!(status, 204 | 304) || (status == 202 && path.ends_with("/result"));
    assert_eq!(sent.is_empty(), bodiless, "{shown}");
    if status >= 400 {
        assert_eq!(said("content-type").as_deref(), Some("application/problem+json"), "{shown}");
    }
    if bodiless {
        return;
    }
    let json: Value = serde_json::from_slice(&sent).expect(&shown);
    if status >= 400 {
        assert_eq!(json["status"], status, "{shown}");
        assert!(json["instance"].as_str().is_some_and(|instance| instance.starts_with("urn:uuid:")), "{shown}");
    } else {
        assert_eq!(said("content-type").as_deref(), Some("application/json"), "{shown}");
        let id = json["RequestId"].as_str().expect(&shown);
        match said("location") {
            Some(location) => assert!(location.ends_with(&format!("/{id}/result")), "{shown}"),
            None => assert_eq!(id, job, "{shown}"),
        }
    }
}

/// The codes that may be answered.
fn codes(method: &Method, path: &str, job: &str, body: &[u8], types: &[&HeaderValue]) -> Vec<u16> {
    let path = path.trim_start_matches('/');
    let (flow, place) = path.split_once('/').map_or((path, None), |(flow, place)| (flow, Some(place)));
    if !["echo", "raw", "small"].contains(&flow) {
        return vec![404];
    }
    let Some(place) = place else {
        return match *method {
            Method::POST => enqueued(flow, body, types),
            Method::OPTIONS => vec![204],
            _ => vec![405],
        };
    };
    let (id, place) = place.split_once('/').map_or((place, None), |(id, place)| (id, Some(place)));
    let there = flow == "echo" && id.eq_ignore_ascii_case(job);
    let if_there = |codes: &[u16]| if there { codes.to_vec() } else { vec![404] };
    let open: &[&str] = match place {
        _ if id.is_empty() => return vec![404],
        None => &["GET", "HEAD", "DELETE"],
        Some("status" | "result" | "error") => &["GET", "HEAD"],
        Some("cancel") => &["POST"],
        Some(_) => return vec![404],
    };
    match (method.as_str(), place) {
        ("OPTIONS", _) => vec![204],
        (method, _) if !open.contains(&method) => vec![405],
        ("DELETE", _) => if_there(&[204]),
        (_, Some("cancel")) => if_there(&[202]),
        (_, Some("result")) => if_there(&[202]),
        (_, Some("error")) => if_there(&[204]),
        _ => if_there(&[200, 304]),
    }
}

/// What a `POST` to a flow may be answered with, by its type and body alone: its other headers may refuse it too.
fn enqueued(flow: &str, body: &[u8], types: &[&HeaderValue]) -> Vec<u16> {
    // A reused key, or one that is none; an encoding; no more room.
    let mut codes = vec![400, 413, 415, 422, 503];
    let json = matches!(types, [one] if *one == "application/json");
    let fits = match flow {
        "small" => body.len() <= 8 && serde_json::from_slice::<u8>(body).is_ok(),
        _ => body.is_empty() || !json || serde_json::from_slice::<Value>(body).is_ok(),
    };
    if fits && (body.is_empty() || types.len() == 1) {
        codes.push(202);
    }
    codes
}

#[cfg(test)]
#[test]
fn whole_requests_are_answered_as_the_contract_says() {
    at_random::run(EXCHANGE, |input| exchange(&input[1..]));
}
