//! What is wrong, as `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use asyncflow_core::{EngineError, store::StoreError};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{ACCEPT, RETRY_AFTER},
};
use uuid::Uuid;

use super::{Answer, Wire, json, problem_json, retry_after};

/// Each kind of problem: its status, the last part of its type's URI, its title.
macro_rules! problems {
    ($($name:ident: $status:ident, $kind:literal, $title:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Problem {
            $($name,)*
        }

        impl Problem {
            fn describe(self) -> (StatusCode, &'static str, &'static str) {
                match self {
                    $(Self::$name => (StatusCode::$status, $kind, $title),)*
                }
            }
        }
    };
}

problems! {
    NotFound: NOT_FOUND, "not-found", "Not found";
    MethodNotAllowed: METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed";
    Unauthorized: UNAUTHORIZED, "unauthorized", "Unauthorized";
    Forbidden: FORBIDDEN, "forbidden", "Forbidden";
    UnsupportedMediaType: UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type";
    InvalidIdempotencyKey: BAD_REQUEST, "invalid-idempotency-key", "Invalid idempotency key";
    BodyTooLarge: PAYLOAD_TOO_LARGE, "body-too-large", "Body too large";
    InvalidJson: BAD_REQUEST, "invalid-json", "Invalid JSON";
    UnreadableRequest: BAD_REQUEST, "invalid-request", "Invalid request";
    InvalidRequest: UNPROCESSABLE_ENTITY, "invalid-request", "Invalid request";
    IdempotencyKeyReused: UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Idempotency key reused";
    OverQuota: TOO_MANY_REQUESTS, "over-quota", "Over quota";
    TooManyWaiting: SERVICE_UNAVAILABLE, "too-many-waiting", "Too many jobs are waiting";
    Unavailable: SERVICE_UNAVAILABLE, "unavailable", "Unavailable";
    JobFailed: NOT_FOUND, "job-failed", "The job failed";
    JobCancelled: NOT_FOUND, "job-cancelled", "The job was cancelled";
    JobEnded: CONFLICT, "job-ended", "The job has ended";
    Internal: INTERNAL_SERVER_ERROR, "internal", "Internal error";
}

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub(crate) struct Refusal {
    problem: Problem,
    detail: Cow<'static, str>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
    /// For the operator's log alone.
    cause: Option<String>,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::new(Problem::Unavailable, "the jobs cannot be reached at the moment").because(error)
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::new(Problem::Unavailable, "the jobs cannot be reached at the moment").because(error)
    }
}

impl Refusal {
    pub(crate) fn new(problem: Problem, detail: impl Into<Cow<'static, str>>) -> Self {
        let refusal = Self { problem, detail: detail.into(), header: None, cause: None };
        match problem {
            Problem::OverQuota | Problem::TooManyWaiting | Problem::Unavailable => {
                refusal.header(RETRY_AFTER, retry_after::SOON)
            }
            _ => refusal,
        }
    }

    /// Of a path or a job: which of the two, and why, stays unsaid.
    pub(crate) fn not_found() -> Self {
        Self::new(Problem::NotFound, "there is no such path or job")
    }

    /// Of a media type; `accept` are those that would do.
    pub(crate) fn unsupported(why: &'static str, accept: &HeaderValue) -> Self {
        Self::new(Problem::UnsupportedMediaType, why).header(ACCEPT, accept.clone())
    }

    /// Adds a header to the answer.
    pub(crate) fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some(Box::new((name, value))), ..self }
    }

    /// Adds what only the operator is told.
    pub(crate) fn because(self, cause: impl ToString) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    /// The answer, which is logged under the instance that it names.
    pub(crate) fn answer(self, wire: &Wire) -> Answer {
        let (status, kind, title) = self.problem.describe();
        let mut instance = [0; 45];
        let instance = Uuid::new_v4().urn().encode_lower(&mut instance);
        self.log(status, kind, instance);
        let body = [
            "{\"type\":\"",
            &wire.problem_base,
            kind,
            "\",\"title\":\"",
            title,
            "\",\"status\":",
            status.as_str(),
            ",\"detail\":",
            &json::string(&self.detail),
            ",\"instance\":\"",
            instance,
            "\"}",
        ]
        .concat();
        let mut answer = problem_json(status, body.into());
        if let Some(header) = self.header {
            answer.headers_mut().insert(header.0, header.1);
        }
        answer
    }

    #[cfg(feature = "tracing")]
    fn log(&self, status: StatusCode, kind: &str, instance: &str) {
        // What is said of one request alone may quote what it was given: that is for its sender's eyes.
        let detail = match self.detail {
            Cow::Borrowed(text) => Some(text),
            Cow::Owned(_) => None,
        };
        let (status, cause) = (status.as_u16(), self.cause.as_deref());
        match self.problem {
            Problem::Internal => tracing::error!(instance, status, kind, detail, cause, "request failed"),
            _ if status >= 500 => tracing::warn!(instance, status, kind, detail, cause, "request not served"),
            _ => tracing::debug!(instance, status, kind, detail, cause, "request refused"),
        }
    }

    #[cfg(not(feature = "tracing"))]
    fn log(&self, _: StatusCode, _: &str, _: &str) {
        let _nobody_asks = &self.cause;
    }
}

#[cfg(feature = "tracing")]
#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::filter::LevelFilter;

    use super::*;
    use crate::answer::naming::Naming;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What the log has of a refusal.
    fn told(refusal: Refusal) -> String {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::DEBUG)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let wire =
            Wire { naming: Naming::default(), prefix: "".into(), base_url: None, problem_base: "urn:problem:".into() };
        let answer = tracing::subscriber::with_default(subscriber, || refusal.answer(&wire));
        assert!(answer.status().as_u16() >= 400);
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_refusal_is_told_to_the_operator_as_loudly_as_it_deserves() {
        let internal = told(Refusal::new(Problem::Internal, "it failed").because("a cause"));
        let store = told(StoreError::unusable("no such server").into());
        let client = told(Refusal::not_found());
        for (told, level, text, status) in [
            (&internal, " ERROR ", "request failed", "status=500 kind=\"internal\""),
            (&store, " WARN ", "request not served", "status=503 kind=\"unavailable\""),
            (&client, " DEBUG ", "request refused", "status=404 kind=\"not-found\""),
        ] {
            assert_eq!(told.lines().count(), 1, "{told}");
            for part in [level, text, status, "instance=\"urn:uuid:", "detail="] {
                assert!(told.contains(part), "no {part}: {told}");
            }
        }
        assert!(internal.contains("cause=\"a cause\"") && store.contains("no such server"), "{internal}{store}");
    }

    #[test]
    fn what_quotes_a_request_is_for_its_sender_alone() {
        let told = told(Refusal::new(Problem::InvalidRequest, "name: hunter2 is none".to_owned()));
        assert!(told.contains("status=422") && !told.contains("hunter2"), "{told}");
    }
}
