//! Whatever is sent, the answer is a refusal: nothing panics, grows or tells what it should not.

use std::{convert::Infallible, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::process::{Demo, FRAMEWORKS, PATIENCE};

/// Growth that is allowed, in MiB.
const MOST_GROWTH: u64 = 200;
/// Random ids that each framework is asked for.
const IDS: u128 = 2500;

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_and_does_no_harm() {
    for framework in FRAMEWORKS {
        let demo = Demo::start(&["--framework", framework]);
        demo.client().await.get("/health").await;
        let before = demo.most_memory();
        for (name, bytes) in requests() {
            let answer = exchange(demo.address, &name, &bytes).await;
            refused(&name, &answer, framework);
        }
        endless(demo.address, "/echo", framework).await;
        endless(demo.address, "/textstats", framework).await;
        unknown_ids(&demo).await;
        let grown = demo.most_memory() - before;
        assert!(grown < MOST_GROWTH, "{framework} grew by {grown} MiB");
        assert_eq!(demo.client().await.get("/health").await.status, 200);
        assert!(!demo.log().contains("panicked"), "{}", demo.log());
    }
}

/// Requests that are wrong from their first line to their last byte.
fn requests() -> Vec<(String, Vec<u8>)> {
    let post = |path: &str, headers: &str, body: &[u8]| {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let json = |path: &str, body: &[u8]| post(path, "content-type: application/json\r\n", body);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes();
    let deep = [vec![b'['; 1_000_000], vec![b']'; 1_000_000]].concat();
    let deep_object = format!(r#"{{"count":1,"x":{}1{}}}"#, r#"{"a":"#.repeat(50_000), "}".repeat(50_000));
    let many_headers: String = (0..1000).map(|n| format!("x-{n}: y\r\n")).collect();
    let mut requests = vec![
        ("deep arrays", json("/echo", &deep)),
        ("deep arrays to a flow that takes anything", json("/panic", &deep)),
        ("deep objects where nobody looks", json("/data", deep_object.as_bytes())),
        ("unfinished JSON", json("/echo", b"[1,")),
        ("invalid UTF-8 in JSON", json("/echo", b"\"\xff\xfe\"")),
        ("invalid UTF-8 in a text", post("/textstats", "content-type: text/plain\r\n", b"\xff\xfe")),
        ("a byte order mark", json("/echo", b"\xef\xbb\xbf1")),
        ("a lone surrogate", json("/textstats", br#"{"text":"\ud800"}"#)),
        ("a number beyond all numbers", json("/data", br#"{"count":1e999999}"#)),
        ("a number that is too large", json("/sleep", br#"{"ms":18446744073709551616}"#)),
        ("another type", json("/data", br#"{"count":"many"}"#)),
        ("nothing where something is needed", json("/data", b"")),
        ("no type", post("/echo", "", b"1")),
        ("two types", post("/echo", "content-type: application/json\r\ncontent-type: text/plain\r\n", b"1")),
        ("an encoding", post("/echo", "content-type: application/json\r\ncontent-encoding: gzip\r\n", b"1")),
        ("a key with a space", post("/echo", "content-type: application/json\r\nidempotency-key: a b\r\n", b"1")),
        ("a thousand headers", post("/echo", &many_headers, b"1")),
        ("a header of a megabyte", post("/echo", &format!("x: {}\r\n", "y".repeat(1 << 20)), b"1")),
        ("a header of no UTF-8 as a key", [&b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\nidempotency-key: \xff\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n1"[..]].concat()),
        ("a path of 100 kB", get(&format!("/{}", "a".repeat(100_000)))),
        ("a length beyond all memory", b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 18446744073709551615\r\n\r\n".to_vec()),
        ("a length that is none", b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: -1\r\n\r\n".to_vec()),
        ("a body that ends early", b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n[1".to_vec()),
        ("a chunk that ends early", b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nff\r\n[1".to_vec()),
        ("chunks of no size", b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n1\r\n0\r\n\r\n".to_vec()),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("another method", b"BREW /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec()),
    ];
    for path in [
        "/",
        "//",
        "/echo/",
        "/echo%2f",
        "/%65cho/x/y",
        "/echo/%2e%2e/status",
        "/echo/..%2f..%2fetc%2fpasswd/status",
        "/echo/../../etc/passwd",
        "/echo/%00/status",
        "/echo/\u{e9}/status",
        "/echo/x/status/",
        "/echo//status",
        "/echo/;v=1/status",
        "/echo/x?y=%00",
        "/nowhere",
    ] {
        requests.push((path, get(path)));
    }
    requests.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// Whether a request breaks off.
fn breaks_off(name: &str) -> bool {
    name.ends_with("ends early")
}

/// Sends bytes, and the end where they break off; gives all that comes back until the server closes.
async fn exchange(address: SocketAddr, name: &str, bytes: &[u8]) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let mut answer = Vec::new();
        // A server that has answered may close before it has read everything.
        let write = async {
            let _ = writer.write_all(bytes).await;
            if breaks_off(name) {
                let _ = writer.shutdown().await;
            }
        };
        let (_, _) = tokio::join!(write, reader.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).into_owned()
    };
    timeout(PATIENCE, exchange).await.expect("the server closes")
}

/// The answer is a 4xx, or none where the request never ended, and says nothing of the server's insides.
fn refused(name: &str, answer: &str, framework: &str) {
    let status = answer.strip_prefix("HTTP/1.1 ").map_or("none", |answer| &answer[..3]);
    assert!(status.starts_with('4') || (breaks_off(name) && answer.is_empty()), "{name} on {framework}: {answer}");
    for inside in [".rs", "src/", "127.0.0.1", env!("CARGO_MANIFEST_DIR"), "panicked"] {
        assert!(!answer.contains(inside), "{name} on {framework} tells {inside}: {answer}");
    }
}

/// Sixteen bodies without an end are not read for long.
async fn endless(address: SocketAddr, path: &str, framework: &'static str) {
    let mut senders = JoinSet::new();
    for _ in 0..16 {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        senders.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let (mut reader, mut writer) = stream.split();
            let chunk = [b"10000\r\n", &[b' '; 0x10000][..], b"\r\n"].concat();
            // What it does not take it has answered.
            let write = async {
                let mut taken = writer.write_all(head.as_bytes()).await;
                while taken.is_ok() {
                    taken = writer.write_all(&chunk).await;
                }
                std::future::pending::<Infallible>().await
            };
            let mut answer = vec![0; 12];
            let answered = async {
                tokio::select! {
                    read = reader.read_exact(&mut answer) => drop(read),
                    never = write => match never {},
                }
            };
            timeout(PATIENCE, answered).await.expect("an endless body is refused");
            answer
        });
    }
    while let Some(answer) = senders.join_next().await {
        let answer = String::from_utf8_lossy(&answer.unwrap()).into_owned();
        assert!(answer.starts_with("HTTP/1.1 413") || answer.starts_with("HTTP/1.1 503"), "{answer:?} on {framework}");
    }
}

/// Ids that nobody was given are all alike.
async fn unknown_ids(demo: &Demo) {
    let mut client = demo.client().await;
    for number in 0..IDS {
        // Spread over all ids, and the same in each run.
        let id = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let hex = format!("{id:032x}");
        let id = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        let answer = client.get(&format!("/echo/{id}/status")).await;
        assert_eq!(answer.status, 404);
        assert!(answer.json()["type"].as_str().unwrap().ends_with("/not-found"));
    }
}
