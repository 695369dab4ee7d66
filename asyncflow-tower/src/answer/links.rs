//! Where a job's answers are, as seen from the request's own place.

use asyncflow_core::JobId;
use http::HeaderValue;

use super::{Wire, header_value};
use crate::endpoint::Place;

/// From where to point: relative to the request's own URL, so that it is right under every mount; or absolute where the base is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links<'a> {
    pub(crate) wire: &'a Wire,
    pub(crate) flow: &'a str,
    pub(crate) id: JobId,
    pub(crate) place: Place,
}

impl Links<'_> {
    /// The URL of one of the job's own places.
    pub(crate) fn url(self, target: &str) -> HeaderValue {
        self.value("", target, "", "", "")
    }

    /// A link to one of the job's own places, whose relation is the place's name.
    pub(crate) fn link(self, target: &str) -> HeaderValue {
        self.value("<", target, ">; rel=\"", target, "\"")
    }

    fn value(self, open: &str, target: &str, close: &str, relation: &str, end: &str) -> HeaderValue {
        let mut id = [0; 36];
        let id = self.id.encode(&mut id);
        let [base, slash, flow, job] = match (&self.wire.base_url, self.place) {
            (Some(base), _) => [base, "/", self.flow, id],
            (None, Place::Flow) => ["", "", self.flow, id],
            (None, Place::Job) => ["", "", "", id],
            (None, _) => [""; 4],
        };
        let [after_flow, after_job] = [flow, job].map(|before| if before.is_empty() { "" } else { "/" });
        header_value([open, base, slash, flow, after_flow, job, after_job, target, close, relation, end].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::naming::Naming;

    #[test]
    fn references_are_relative_to_the_request_unless_a_base_is_set() {
        let wire = |base_url: Option<&str>| Wire {
            names: Naming::Mixed.names(),
            prefix: "".into(),
            base_url: base_url.map(Into::into),
            problem_base: "p:".into(),
        };
        let (relative, absolute) = (wire(None), wire(Some("https://h/jobs")));
        let id = JobId::from_u128(7);
        let job = "00000000-0000-0000-0000-000000000007";
        for (place, prefix) in
            [(Place::Flow, format!("data/{job}/")), (Place::Job, format!("{job}/")), (Place::Result, String::new())]
        {
            let links = Links { wire: &relative, flow: "data", id, place };
            assert_eq!(links.url("result"), format!("{prefix}result"));
            assert_eq!(links.link("status"), format!("<{prefix}status>; rel=\"status\""));
            let links = Links { wire: &absolute, ..links };
            assert_eq!(links.url("result"), format!("https://h/jobs/data/{job}/result"));
            assert_eq!(links.link("error"), format!("<https://h/jobs/data/{job}/error>; rel=\"error\""));
        }
    }
}
