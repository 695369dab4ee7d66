//! The flows that the cases know.

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use asyncflow_core::store::{ContentType, Part};
use asyncflow_core::{
    Again, BoxError, DecodeError, EngineBuilder, Flow, FlowOptions, FromPayload, IntoPayload, JobContext, Raw, Retry,
};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::stage::{Puppetry, Stage};

/// Registers all flows.
pub(super) fn register(builder: EngineBuilder, stage: &Arc<Stage>) -> EngineBuilder {
    let options = || FlowOptions::new().progress_interval(Duration::ZERO);
    let puppet = || Puppetry::<Value>::new(stage);
    builder
        // It returns what it was given, as a value or to the letter.
        .flow("echo", |value: Value, _: JobContext| async move { Ok::<_, Infallible>(value) })
        .flow("raw", |text: Box<RawValue>, _: JobContext| async move { Ok::<_, Infallible>(text) })
        .flow_with(
            "small",
            |value: Value, _: JobContext| async move { Ok::<_, Infallible>(value) },
            options().max_request(1024),
        )
        .flow("items", |order: Order, _: JobContext| async move { Ok::<_, Infallible>(order.items.len()) })
        .flow("text", |text: Text, _: JobContext| async move { Ok::<_, Infallible>(text) })
        .flow("bytes", |bytes: Vec<u8>, _: JobContext| async move {
            Ok::<_, Infallible>(Raw(Part { content_type: ContentType::Bytes, bytes: bytes.into() }))
        })
        .flow("any", |part: Raw, _: JobContext| async move { Ok::<_, Infallible>(part) })
        // They do what a case tells them.
        .flow_with("puppet", puppet(), options())
        .flow_with("stubborn", puppet().stubborn(), options())
        .flow_with("tried-twice", puppet(), options().retry(Retry::fixed(2, Duration::ZERO)))
        .flow_with("single", puppet(), options().concurrency(1))
        .flow_with("hasty", puppet(), options().concurrency(1).expiry(Duration::from_millis(1)))
        .flow_with("full", puppet(), options().concurrency(1).max_waiting(1))
        .flow_with(
            "narrow",
            Puppetry::<u32>::new(stage),
            options().concurrency(1).max_waiting(2).max_waiting_per_owner(1),
        )
        // They fail, each in its way.
        .flow("failing", |_: Value, _: JobContext| async { Err::<(), _>(OrderError) })
        .flow("naming", Naming)
        .flow("texting", |_: Value, _: JobContext| async { Err::<(), _>("no more than a text") })
        .flow_with(
            "brief",
            |_: Value, job: JobContext| async move {
                job.cancelled().await;
                Err::<(), _>("stopped")
            },
            options().timeout(Duration::from_millis(1)),
        )
        .flow("unencodable", |_: Value, _: JobContext| async { Ok::<_, Infallible>(HashMap::from([((1, 2), 3)])) })
        .flow_with(
            "large",
            |_: Value, _: JobContext| async { Ok::<_, Infallible>("x".repeat(1000)) },
            options().max_result(1000),
        )
        .flow_with(
            "snoozing",
            |_: Value, _: JobContext| async { Err::<(), _>(Again::snooze(Duration::ZERO)) },
            options().max_snoozes(2),
        )
        .flow_with(
            "patient",
            |_: Value, _: JobContext| async { Err::<(), _>("not yet") },
            options().retry(Retry::fixed(2, Duration::from_secs(3600))),
        )
}

/// What `items` takes.
#[derive(Deserialize)]
struct Order {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "count")]
    _count: u32,
}

/// A text that may be sent as such or in JSON.
struct Text(String);

impl FromPayload for Text {
    fn accepts() -> &'static [&'static str] {
        &["application/json", "text/plain"]
    }

    fn from_payload(part: &Part) -> Result<Self, DecodeError> {
        if part.content_type.essence() != "text/plain" {
            return String::from_payload(part).map(Self);
        }
        let text = std::str::from_utf8(&part.bytes).map_err(|error| DecodeError::Malformed(error.to_string()))?;
        Ok(Self(text.into()))
    }
}

impl IntoPayload for Text {
    fn into_payload(self) -> Result<Part, BoxError> {
        Ok(Part { content_type: ContentType::Text, bytes: self.0.into() })
    }
}

/// An error with a chain of causes.
#[derive(Debug)]
struct OrderError;

#[derive(Debug)]
struct PriceError;

#[derive(Debug)]
struct ItemError;

macro_rules! error {
    ($name:ident, $text:literal, $source:expr) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($text)
            }
        }
        impl Error for $name {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                $source
            }
        }
    };
}

error!(OrderError, "the order cannot be placed", Some(&PriceError));
error!(PriceError, "the price is unknown", Some(&ItemError));
error!(ItemError, "no such item", None);

/// A flow that says itself what its errors are called.
struct Naming;

impl Flow for Naming {
    type Request = Value;
    type Response = ();
    type Error = OrderError;

    async fn process(&self, _: Value, _: JobContext) -> Result<(), OrderError> {
        Err(OrderError)
    }

    fn error_type(_: &OrderError) -> Cow<'static, str> {
        "chosen-name".into()
    }
}
