//! A request with its answer, and what a case may ask of it.

use std::ops::Deref;
use std::panic::Location;

use serde_json::Value;

use super::request::Request;
use super::transcript::{masked, plain};
use super::wire::Answer;

/// What a case panics with: the text is the whole report, so no panic hook needs to print it.
pub(super) struct Failure(pub(super) String);

/// A request and the answer to it. The questions panic with both where the answer is no.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) request: Request,
    pub(super) answer: Answer,
}

impl Exchange {
    #[track_caller]
    pub(super) fn is(&self, status: u16) -> &Self {
        self.expect(self.status == status, &format!("status {status}"))
    }

    /// The header is there, once, with just this value.
    #[track_caller]
    pub(super) fn has(&self, name: &str, value: &str) -> &Self {
        self.expect(self.all(name) == [value], &format!("the header `{name}: {value}`, once"))
    }

    #[track_caller]
    pub(super) fn lacks(&self, name: &str) -> &Self {
        self.expect(self.all(name).is_empty(), &format!("no header `{name}`"))
    }

    /// The header's only value.
    #[track_caller]
    pub(super) fn header(&self, name: &str) -> &str {
        let values = self.all(name);
        self.expect(values.len() == 1, &format!("one header `{name}`"));
        values[0]
    }

    /// The items of a comma-separated header, sorted.
    #[track_caller]
    pub(super) fn items(&self, name: &str) -> Vec<&str> {
        let mut items: Vec<_> = self.header(name).split(',').map(str::trim).collect();
        items.sort_unstable();
        items
    }

    #[track_caller]
    pub(super) fn body_is(&self, body: impl AsRef<[u8]>) -> &Self {
        let body = body.as_ref();
        self.expect(self.body == body, &format!("the body `{}`", body.escape_ascii()))
    }

    #[track_caller]
    pub(super) fn is_empty(&self) -> &Self {
        self.expect(self.body.is_empty(), "no body")
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| self.fail(&format!("a JSON body ({error})")))
    }

    /// The value at a JSON pointer.
    #[track_caller]
    pub(super) fn at(&self, pointer: &str) -> Value {
        let found = self.json().pointer(pointer).cloned();
        found.unwrap_or_else(|| self.fail(&format!("a body with `{pointer}`")))
    }

    #[track_caller]
    pub(super) fn says(&self, pointer: &str, value: impl Into<Value>) -> &Self {
        let value = value.into();
        self.expect(self.at(pointer) == value, &format!("`{pointer}` to be {value}"))
    }

    /// The body to the letter, but for ids (`<id1>`, `<id2>`, … in order) and times (`<time>`).
    #[track_caller]
    pub(super) fn reads(&self, body: &str) -> &Self {
        let got = masked(&String::from_utf8_lossy(&self.body));
        self.expect(got == body, &format!("the body `{body}`"))
    }

    /// The start of the body, masked as by [`reads`](Self::reads).
    #[track_caller]
    pub(super) fn begins(&self, start: &str) -> &Self {
        let got = masked(&String::from_utf8_lossy(&self.body));
        self.expect(got.starts_with(start), &format!("a body that starts with `{start}`"))
    }

    /// Where a relative reference leads, seen from this request.
    #[track_caller]
    pub(super) fn resolve(&self, reference: &str) -> String {
        let relative = !reference.starts_with('/') && !reference.contains("..") && !reference.contains(':');
        self.expect(relative, "a reference that is relative to the request's own path");
        let path = self.request.target.split('?').next().unwrap_or_default();
        let (folder, _) = path.rsplit_once('/').unwrap_or_default();
        format!("{folder}/{reference}")
    }

    /// Where the link of this relation leads.
    #[track_caller]
    pub(super) fn link(&self, relation: &str) -> String {
        let rest = format!(">; rel=\"{relation}\"");
        let reference = self.header("link").strip_prefix('<').and_then(|link| link.strip_suffix(rest.as_str()));
        self.resolve(reference.unwrap_or_else(|| self.fail(&format!("a link to the job's {relation}"))))
    }

    /// The id in the answer to an enqueue.
    #[track_caller]
    pub(super) fn id(&self) -> String {
        let id = self.at("/RequestId").as_str().map(str::to_owned);
        id.unwrap_or_else(|| self.fail("a `RequestId` that is a text"))
    }

    /// A problem of this status whose type ends in this word.
    #[track_caller]
    pub(super) fn problem(&self, status: u16, kind: &str) -> &Self {
        self.is(status);
        let found = self.at("/type").as_str().is_some_and(|found| found.ends_with(&format!("/{kind}")));
        self.expect(found, &format!("the problem type `{kind}`"))
    }

    #[track_caller]
    pub(super) fn expect(&self, holds: bool, expected: &str) -> &Self {
        if !holds {
            self.fail(expected);
        }
        self
    }

    #[track_caller]
    pub(super) fn fail(&self, expected: &str) -> ! {
        let got = plain(&self.request, &self.answer);
        fail(&format!("expected: {expected}\ngot:\n{}", got.trim_end()))
    }
}

impl Deref for Exchange {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
}

/// Fails the case that is running.
#[track_caller]
pub(super) fn fail(report: &str) -> ! {
    let place = Location::caller();
    std::panic::resume_unwind(Box::new(Failure(format!("{}:{}\n{report}", place.file(), place.line()))))
}
