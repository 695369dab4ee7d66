//! From a raw path to the place that it names. Nothing is decoded: names are unreserved characters and ids are UUIDs.

use asyncflow_core::JobId;

use crate::endpoint::Place;

/// What a path names, if its flow exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    pub(crate) flow: &'a str,
    /// None: there is no such path.
    pub(crate) place: Option<Place>,
    /// The job, where the second segment is an id.
    pub(crate) id: Option<JobId>,
}

impl<'a> Path<'a> {
    /// Reads a path below `prefix`, which is empty or starts with a slash; leading slashes after it don't count.
    pub(crate) fn parse(path: &'a str, prefix: &str) -> Option<Self> {
        let below = path.strip_prefix(prefix)?;
        let relative = below.trim_start_matches('/');
        if relative.is_empty() || (relative.len() == below.len() && !prefix.is_empty()) {
            return None;
        }
        let (flow, Some(job)) = cut(relative) else {
            return Some(Self { flow: relative, place: Some(Place::Flow), id: None });
        };
        let (id, rest) = match leading_id(job) {
            Some((id, rest)) => (Some(id), rest),
            None => (None, job.find('/').map_or("", |at| &job[at..])),
        };
        let place = match rest.strip_prefix('/') {
            _ if job.is_empty() || job.starts_with('/') => None,
            None => Some(Place::Job),
            Some(below) => Place::below_job(below),
        };
        Some(Self { flow, place, id })
    }
}

/// The first segment, and what follows its slash. By hand, as names are too short for a search to pay.
fn cut(path: &str) -> (&str, Option<&str>) {
    match path.bytes().position(|byte| byte == b'/') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}

/// The id that is the first segment, if it is one, and the rest from its slash on.
fn leading_id(path: &str) -> Option<(JobId, &str)> {
    let (id, rest) = path.split_at_checked(36)?;
    let whole = rest.is_empty() || rest.starts_with('/');
    Some((JobId::parse(id.as_bytes()).ok().filter(|_| whole)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0197a6e8-0000-7000-8000-00000000ABCD";

    fn place(path: &str) -> Option<Place> {
        Path::parse(path, "").and_then(|path| path.place)
    }

    #[test]
    fn each_place_has_one_path() {
        assert_eq!(Path::parse("/data", ""), Some(Path { flow: "data", place: Some(Place::Flow), id: None }));
        assert_eq!(place("///data"), Some(Place::Flow));
        assert_eq!(place("/data/x"), Some(Place::Job));
        for (tail, named) in
            [("status", Place::Status), ("result", Place::Result), ("error", Place::Error), ("cancel", Place::Cancel)]
        {
            let id = JobId::parse(ID.as_bytes()).ok();
            assert!(id.is_some());
            let path = format!("/data/{ID}/{tail}");
            assert_eq!(Path::parse(&path, ""), Some(Path { flow: "data", place: Some(named), id }));
            let path = format!("/data/{ID}0/{tail}");
            assert_eq!(Path::parse(&path, ""), Some(Path { flow: "data", place: Some(named), id: None }));
        }
    }

    #[test]
    fn anything_else_is_no_place() {
        for path in [
            "",
            "/",
            "///",
            "/data/",
            "/data//",
            "/data//status",
            "/data/x/",
            "/data/x/status/",
            "/data/x/status/y",
            "/data/x//status",
            "/data/x/Status",
            "/data/x/statu%73",
            "/data/x/events",
            "/data/x/status%00",
            "/data/x/../x",
        ] {
            assert_eq!(place(path), None, "{path}");
        }
    }

    #[test]
    fn nothing_is_decoded() {
        let named = |path| Path::parse(path, "").map(|path| (path.flow, path.place, path.id));
        assert_eq!(named("/d%61ta"), Some(("d%61ta", Some(Place::Flow), None)));
        assert_eq!(named("/data/..%2f"), Some(("data", Some(Place::Job), None)));
        assert_eq!(named("*"), Some(("*", Some(Place::Flow), None)));
        assert_eq!(named("/\u{e9}/\0"), Some(("\u{e9}", Some(Place::Job), None)));
        // the 36th byte is within a character
        let cut = format!("/data/{}\u{e9}/status", "0".repeat(35));
        assert_eq!(named(&cut), Some(("data", Some(Place::Status), None)));
    }

    #[test]
    fn a_prefix_is_cut_at_a_slash_alone() {
        let flow = |path| Path::parse(path, "/api/v1").map(|path| path.flow);
        assert_eq!(flow("/api/v1/data"), Some("data"));
        assert_eq!(flow("/api/v1//data/x"), Some("data"));
        for path in ["/api/v1data", "/api/v1", "/api/v1/", "/api", "/data", "//api/v1/data", "api/v1/data"] {
            assert_eq!(flow(path), None, "{path}");
        }
    }
}
