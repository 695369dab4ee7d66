//! The cases: plain async functions, each for one behaviour of the wire contract, by endpoint and theme.

mod caching;
mod cancel;
mod configured;
mod delete;
mod enqueue;
mod error;
mod errors;
mod fates;
mod framing;
mod hostile;
mod idempotency;
mod json;
mod layered;
mod limits;
mod media;
mod methods;
mod naming;
mod order;
mod owner;
mod prefer;
mod problems;
mod result;
mod routing;
mod status;
mod time;
mod unavailable;
mod urls;
mod waiting;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use asyncflow_tower::Refused;
use http::HeaderValue;
use http::request::Parts;

use super::exchange::{Exchange, fail};
use super::probe::{Pending, Probe};
use super::request::{Request, chunk};
use super::transcript::masked;

/// The id of a job that there never was.
const UNKNOWN: &str = "0192f3a4-5b6c-7d8e-9f01-23456789abcd";

/// A case, with the behaviour that it is about.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) run: Box<dyn FnOnce(Probe) -> Running + Send>,
}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Cases(Vec<Case>);

impl Cases {
    fn add<F>(&mut self, name: &'static str, run: impl FnOnce(Probe) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.push(Case { name, run: Box::new(|probe| Box::pin(run(probe))) });
    }
}

/// All cases, in the order of the contract.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    for add in [
        enqueue::cases,
        media::cases,
        json::cases,
        limits::cases,
        idempotency::cases,
        status::cases,
        result::cases,
        error::cases,
        errors::cases,
        fates::cases,
        delete::cases,
        cancel::cases,
        routing::cases,
        methods::cases,
        order::cases,
        owner::cases,
        problems::cases,
        caching::cases,
        time::cases,
        urls::cases,
        naming::cases,
        prefer::cases,
        waiting::cases,
        configured::cases,
        layered::cases,
        unavailable::cases,
        framing::cases,
        hostile::cases,
    ] {
        add(&mut cases);
    }
    cases.0
}

/// An owner hook that believes what a header says: none and `nobody` are not known, `eve` may do nothing.
fn owners(head: &Parts) -> impl Future<Output = Result<Option<Arc<str>>, Refused>> + use<> {
    let named = head.headers.get("x-owner").and_then(|owner| owner.to_str().ok()).unwrap_or("nobody");
    let owner = match named {
        "nobody" => Err(Refused::unauthorized(HeaderValue::from_static("Bearer"))),
        "eve" => Err(Refused::forbidden()),
        owner => Ok(Some(owner.into())),
    };
    async {
        tokio::task::yield_now().await;
        owner
    }
}

/// Takes the first of several requests to which there is an answer.
async fn first_answered(pending: &mut Vec<Pending>) -> Pending {
    loop {
        for at in 0..pending.len() {
            if !pending[at].is_open_for(Duration::from_millis(1)).await {
                return pending.remove(at);
            }
        }
    }
}

/// Whether a value is a time as the contract writes it.
fn is_time(value: &serde_json::Value) -> bool {
    value.as_str().is_some_and(|text| masked(text) == "<time>")
}

/// The headers of an answer, sorted, but for those that change with time alone.
fn headers(exchange: &Exchange) -> Vec<&(String, String)> {
    let lasting = |header: &&(String, String)| header.0 != "date" && header.0 != "retry-after";
    let mut headers: Vec<_> = exchange.headers.iter().filter(lasting).collect();
    headers.sort();
    headers
}

/// Whether two problems are the same, but for their instance.
fn alike(one: &Exchange, other: &Exchange) -> bool {
    let body = |exchange: &Exchange| {
        let mut body = serde_json::from_slice::<serde_json::Value>(&exchange.body).unwrap_or_default();
        body.as_object_mut().map(|members| members.remove("instance"));
        body
    };
    one.status == other.status && headers(one) == headers(other) && body(one) == body(other)
}
