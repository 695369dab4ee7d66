//! Where a job's answers are, as seen from the request's own place.

use http::HeaderValue;

use super::{Wire, header_value, join};
use crate::endpoint::Place;

/// From where to point: relative to the request's own URL, so that it is right under every mount; or absolute where the base is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links<'a> {
    pub(crate) wire: &'a Wire,
    pub(crate) flow: &'a str,
    pub(crate) id: [u8; 36],
    pub(crate) place: Place,
}

impl Links<'_> {
    /// The URL of one of the job's own places.
    #[inline(always)]
    pub(crate) fn url(&self, target: &str) -> HeaderValue {
        self.value("", target, "")
    }

    /// A link to the job's status.
    pub(crate) fn status(&self) -> HeaderValue {
        self.value("<", "status", ">; rel=\"status\"")
    }

    /// A link to the job's error.
    pub(crate) fn error(&self) -> HeaderValue {
        self.value("<", "error", ">; rel=\"error\"")
    }

    // Inlined, the pieces around the id are known to the compiler: writing one is a few moves.
    #[inline(always)]
    fn value(&self, open: &str, target: &str, close: &str) -> HeaderValue {
        let Self { wire, flow, id, place } = self;
        header_value(match (&wire.base_url, place) {
            (Some(base), _) => join![open, base.as_bytes(), "/", flow, "/", id, "/", target, close],
            (None, Place::Flow) => join![open, flow, "/", id, "/", target, close],
            (None, Place::Job) => join![open, id, "/", target, close],
            (None, _) => join![open, target, close],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::naming::Naming;

    #[test]
    fn references_are_relative_to_the_request_unless_a_base_is_set() {
        let wire = |base_url: Option<&str>| Wire {
            naming: Naming::Mixed,
            prefix: "".into(),
            base_url: base_url.map(Into::into),
            problem_base: "p:".into(),
        };
        let (relative, absolute) = (wire(None), wire(Some("https://h/jobs")));
        let id = *b"00000000-0000-0000-0000-000000000007";
        let job = "00000000-0000-0000-0000-000000000007";
        for (place, prefix) in
            [(Place::Flow, format!("data/{job}/")), (Place::Job, format!("{job}/")), (Place::Result, String::new())]
        {
            let links = Links { wire: &relative, flow: "data", id, place };
            assert_eq!(links.url("result"), format!("{prefix}result"));
            assert_eq!(links.status(), format!("<{prefix}status>; rel=\"status\""));
            let links = Links { wire: &absolute, ..links };
            assert_eq!(links.url("result"), format!("https://h/jobs/data/{job}/result"));
            assert_eq!(links.error(), format!("<https://h/jobs/data/{job}/error>; rel=\"error\""));
        }
    }
}
