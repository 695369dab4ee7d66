//! Submits a job to a server, and follows it with a progress bar: each request waits for the next change, so nothing is polled.
//!
//! With the demo running: `cargo run --example follow -- localhost:8080 /data '{"count":50}'`; `@README.md` in place of the JSON posts a
//! file as it is, for instance to `/textstats`.

use asyncflow_core::BoxError;
use http::{HeaderValue, Request, Response, StatusCode, header, request};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, from_slice};
use tokio::net::TcpStream;

type Server = SendRequest<Full<Bytes>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, flow, request] = &arguments[..] else {
        return Err("usage: follow HOST:PORT /FLOW JSON|@FILE".into());
    };
    let (content_type, request) = match request.strip_prefix('@') {
        Some(file) => ("text/plain", std::fs::read(file)?),
        None => ("application/json", request.clone().into_bytes()),
    };
    let (mut server, connection) = handshake(TokioIo::new(TcpStream::connect(address).await?)).await?;
    tokio::spawn(connection);
    let post = Request::post(flow).header(header::CONTENT_TYPE, content_type);
    let accepted: Value = from_slice(send(&mut server, post, request).await?.body())?;
    let job = format!("{flow}/{}", accepted["RequestId"].as_str().unwrap_or_default());

    let bar = ProgressBar::new(100).with_style(ProgressStyle::with_template("{bar:40} {percent:>3} % {msg}")?);
    // Not the tag of any status: the first request is answered at once.
    let mut known = HeaderValue::from_static("\"\"");
    let outcome = loop {
        let get =
            Request::get(format!("{job}/status")).header("prefer", "wait=20").header(header::IF_NONE_MATCH, &known);
        let answer = send(&mut server, get, Vec::new()).await?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            continue;
        }
        known.clone_from(answer.headers().get(header::ETAG).ok_or("a status without a tag")?);
        let status: Value = from_slice(answer.body())?;
        bar.set_position(status["progressData"]["percentage"].as_f64().unwrap_or(0.0) as u64);
        let words = [&status["Status"], &status["progressData"]["progress"]];
        bar.set_message(words.map(|word| word.as_str().unwrap_or_default()).join(" "));
        match status["Status"].as_str() {
            Some("Succeeded") => break "result",
            Some("Failed" | "Cancelled") => break "error",
            _ => {}
        }
    };
    bar.abandon();
    let outcome = send(&mut server, Request::get(format!("{job}/{outcome}")), Vec::new()).await?;
    println!("{}", String::from_utf8_lossy(outcome.body()));
    Ok(())
}

/// Sends a request; gives its answer with all of its body.
async fn send(server: &mut Server, request: request::Builder, body: Vec<u8>) -> Result<Response<Bytes>, BoxError> {
    let answer = server.send_request(request.header(header::HOST, "server").body(Full::from(body))?).await?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    match head.status.is_client_error() || head.status.is_server_error() {
        true => Err(String::from_utf8_lossy(&body).into()),
        false => Ok(Response::from_parts(head, body)),
    }
}
