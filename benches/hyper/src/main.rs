//! The physical limit in memory: hyper 1 and tokio, by hand. A thread and a current-thread runtime for each core it may
//! use (SO_REUSEPORT), a sharded hash map keyed by UUIDv7, one tokio::spawn a job.
//! Honest: the body is parsed (a bad one is 400), the request is stored, the job runs in a task of its own apart from the
//! answer, its result is serialised and stored, and all five endpoints answer. Nothing more: no limits, no retention,
//! no idempotency, no retries, no notifications.
//! BENCH_HEADERS=1 adds the headers of the AsyncFlow wire contract (Location, Link, Retry-After, ETag, Cache-Control,
//! nosniff), so that what is compared does the same work on the wire. BENCH_PAUSE=1: jobs are accepted and never run
//! (memory of a waiting job).
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;

enum State {
    Enqueued,
    Processing,
    Succeeded(Bytes),
    Failed(Box<str>),
}
struct Job {
    created: u64,
    #[allow(dead_code)]
    request: Bytes,
    state: State,
}

/// The low half of a UUIDv7 is random already.
#[derive(Default)]
struct Low(u64);
impl Hasher for Low {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, b: &[u8]) {
        for x in b {
            self.0 = (self.0 << 8) | *x as u64
        }
    }
    fn write_u64(&mut self, x: u64) {
        self.0 = x.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}
#[derive(PartialEq, Eq, Clone, Copy)]
struct Key(u128);
impl std::hash::Hash for Key {
    fn hash<H: Hasher>(&self, h: &mut H) {
        h.write_u64(self.0 as u64)
    }
}

const SHARDS: usize = 64;
type Map = HashMap<Key, Job, BuildHasherDefault<Low>>;
static JOBS: LazyLock<Vec<Mutex<Map>>> = LazyLock::new(|| (0..SHARDS).map(|_| Mutex::new(Map::default())).collect());
static HEADERS: LazyLock<bool> = LazyLock::new(|| std::env::var_os("BENCH_HEADERS").is_some());
static PAUSE: LazyLock<bool> = LazyLock::new(|| std::env::var_os("BENCH_PAUSE").is_some());
fn shard(id: Uuid) -> &'static Mutex<Map> {
    &JOBS[id.as_u128() as usize % SHARDS]
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
/// RFC 3339, to the second, 20 bytes
fn stamp(secs: u64, out: &mut Vec<u8>) {
    let (days, rem) = (secs / 86400, secs % 86400);
    let z = days as i64 + 719_468;
    let era = z / 146_097;
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    let y = yoe + era * 400 + if m <= 2 { 1 } else { 0 };
    let two = |n: i64| [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
    out.extend_from_slice(&two(y / 100));
    out.extend_from_slice(&two(y % 100));
    for (sep, n) in
        [(b'-', m), (b'-', d), (b'T', (rem / 3600) as i64), (b':', (rem / 60 % 60) as i64), (b':', (rem % 60) as i64)]
    {
        out.push(sep);
        out.extend_from_slice(&two(n));
    }
    out.push(b'Z');
}

type Answer = Response<Full<Bytes>>;
const JSON: header::HeaderValue = header::HeaderValue::from_static("application/json");
fn json(code: StatusCode, b: impl Into<Bytes>) -> Answer {
    let mut r = Response::new(Full::new(b.into()));
    *r.status_mut() = code;
    r.headers_mut().insert(header::CONTENT_TYPE, JSON);
    r
}
fn empty(code: StatusCode) -> Answer {
    let mut r = Response::new(Full::default());
    *r.status_mut() = code;
    r
}

async fn run(id: Uuid, value: serde_json::Value) {
    let with = |s: State| {
        if let Some(j) = shard(id).lock().get_mut(&Key(id.as_u128())) {
            j.state = s
        }
    };
    if *PAUSE {
        std::future::pending::<()>().await
    }
    with(State::Processing);
    // the handler: gives its request back, fails when asked to
    let out: Result<serde_json::Value, String> = match value.get("fail").and_then(|f| f.as_str()) {
        Some(why) => Err(why.to_owned()),
        None => Ok(value),
    };
    with(match out {
        Ok(v) => State::Succeeded(serde_json::to_vec(&v).unwrap().into()),
        Err(e) => State::Failed(e.into()),
    });
}

async fn post(req: Request<Incoming>) -> Answer {
    let Ok(body) = req.into_body().collect().await else { return empty(StatusCode::BAD_REQUEST) };
    let body = body.to_bytes();
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(&body) else { return empty(StatusCode::BAD_REQUEST) };
    let id = Uuid::now_v7();
    let t = now();
    // a copy: `body` is a slice of the connection's read buffer and would hold all of that
    let request = Bytes::copy_from_slice(&body);
    shard(id).lock().insert(Key(id.as_u128()), Job { created: t, request, state: State::Enqueued });
    tokio::spawn(run(id, value));
    let mut b = Vec::with_capacity(96);
    let mut text = [0u8; 36];
    let text = id.hyphenated().encode_lower(&mut text);
    b.extend_from_slice(b"{\"RequestId\":\"");
    b.extend_from_slice(text.as_bytes());
    b.extend_from_slice(b"\",\"DateTime\":\"");
    stamp(t, &mut b);
    b.extend_from_slice(b"\"}");
    let mut r = json(StatusCode::ACCEPTED, b);
    if *HEADERS {
        let url = |before: &[u8], after: &[u8]| {
            let mut u = Vec::with_capacity(80);
            u.extend_from_slice(before);
            u.extend_from_slice(text.as_bytes());
            u.extend_from_slice(after);
            header::HeaderValue::from_maybe_shared(Bytes::from(u)).unwrap()
        };
        r.headers_mut().insert(header::LOCATION, url(b"echo/", b"/result"));
        r.headers_mut().insert(header::LINK, url(b"<echo/", b"/status>; rel=\"status\""));
        r.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        r.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    }
    r
}

async fn serve(req: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = req.uri().path();
    if path == "/echo" {
        if req.method() != Method::POST {
            return Ok(empty(StatusCode::METHOD_NOT_ALLOWED));
        }
        return Ok(post(req).await);
    }
    let missing = || Ok(empty(StatusCode::NOT_FOUND));
    let Some(rest) = path.strip_prefix("/echo/") else { return missing() };
    let (id, what) = match rest.split_once('/') {
        Some(x) => x,
        None => (rest, ""),
    };
    let Ok(id) = Uuid::try_parse(id) else { return missing() };
    let key = Key(id.as_u128());
    Ok(match (req.method(), what) {
        (&Method::GET, "status") => {
            let (created, s) = match shard(id).lock().get(&key) {
                None => return missing(),
                Some(j) => (
                    j.created,
                    match j.state {
                        State::Enqueued => "Enqueued",
                        State::Processing => "Processing",
                        State::Succeeded(_) => "Succeeded",
                        State::Failed(_) => "Failed",
                    },
                ),
            };
            let mut b = Vec::with_capacity(144);
            let mut text = [0u8; 36];
            b.extend_from_slice(b"{\"RequestId\":\"");
            b.extend_from_slice(id.hyphenated().encode_lower(&mut text).as_bytes());
            b.extend_from_slice(b"\",\"Status\":\"");
            b.extend_from_slice(s.as_bytes());
            b.extend_from_slice(b"\",\"CreatedAt\":\"");
            stamp(created, &mut b);
            b.extend_from_slice(b"\",\"progressData\":null}");
            let mut r = json(StatusCode::OK, b);
            if *HEADERS {
                r.headers_mut().insert(header::ETAG, header::HeaderValue::from_static("W/\"3\""));
                r.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
            }
            r
        }
        (&Method::GET, "result") => match shard(id).lock().get(&key).map(|j| &j.state) {
            Some(State::Succeeded(b)) => {
                let mut r = json(StatusCode::OK, b.clone());
                if *HEADERS {
                    r.headers_mut().insert(header::ETAG, header::HeaderValue::from_static("W/\"3\""));
                    r.headers_mut()
                        .insert(header::CACHE_CONTROL, header::HeaderValue::from_static("private, no-cache"));
                    r.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
                }
                r
            }
            _ => return missing(),
        },
        (&Method::GET, "error") => match shard(id).lock().get(&key).map(|j| &j.state) {
            Some(State::Failed(why)) => {
                let e = serde_json::json!({"JobId": id.to_string(), "Error": {"Type": "EchoError", "Message": why, "StackTrace": null}});
                json(StatusCode::OK, e.to_string())
            }
            Some(_) => empty(StatusCode::NO_CONTENT),
            None => return missing(),
        },
        (&Method::DELETE, "") => match shard(id).lock().remove(&key) {
            Some(_) => empty(StatusCode::NO_CONTENT),
            None => return missing(),
        },
        _ => return missing(),
    })
}

fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|p| p.parse().ok()).expect("PORT");
    let n = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads: Vec<_> = (0..n)
        .map(|_| {
            std::thread::spawn(move || {
                tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(async move {
                    let s = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
                    s.set_reuse_port(true).unwrap();
                    s.set_reuse_address(true).unwrap();
                    s.set_nonblocking(true).unwrap();
                    s.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
                    s.listen(1024).unwrap();
                    let l = tokio::net::TcpListener::from_std(s.into()).unwrap();
                    println!("READY");
                    loop {
                        let Ok((c, _)) = l.accept().await else { continue };
                        c.set_nodelay(true).ok();
                        tokio::spawn(async move {
                            let _ = hyper::server::conn::http1::Builder::new()
                                .serve_connection(TokioIo::new(c), service_fn(serve))
                                .await;
                        });
                    }
                })
            })
        })
        .collect();
    for t in threads {
        t.join().unwrap()
    }
}
