//! From a raw path to the place that it names. Nothing is decoded: names are unreserved characters and ids are UUIDs.

use asyncflow_core::JobId;

use crate::endpoint::Place;

/// What a path names, if its flow exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    pub(crate) flow: &'a str,
    /// The second segment, whatever it is.
    pub(crate) job: Option<&'a str>,
    /// None: there is no such path.
    pub(crate) place: Option<Place>,
}

impl<'a> Path<'a> {
    /// Reads a path below `prefix`, which is empty or starts with a slash; leading slashes after it don't count.
    pub(crate) fn parse(path: &'a str, prefix: &str) -> Option<Self> {
        let below = path.strip_prefix(prefix)?;
        let relative = below.trim_start_matches('/');
        if relative.is_empty() || (relative.len() == below.len() && !prefix.is_empty()) {
            return None;
        }
        let (flow, rest) = cut(relative);
        let (job, tail) = rest.map_or((None, None), |rest| {
            let (job, tail) = cut(rest);
            (Some(job), tail)
        });
        let place = match (job, tail) {
            (None, _) => Some(Place::Flow),
            (Some(""), _) => None,
            (Some(_), None) => Some(Place::Job),
            (Some(_), Some(tail)) => Place::below_job(tail),
        };
        Some(Self { flow, job, place })
    }

    /// The job, where the second segment is an id.
    pub(crate) fn id(&self) -> Option<JobId> {
        self.job.and_then(|job| JobId::parse(job.as_bytes()).ok())
    }
}

/// The first segment, and what follows its slash.
fn cut(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(segment, rest)| (segment, Some(rest)))
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
        assert_eq!(Path::parse("/data", ""), Some(Path { flow: "data", job: None, place: Some(Place::Flow) }));
        assert_eq!(place("///data"), Some(Place::Flow));
        assert_eq!(place("/data/x"), Some(Place::Job));
        for (tail, named) in
            [("status", Place::Status), ("result", Place::Result), ("error", Place::Error), ("cancel", Place::Cancel)]
        {
            let path = format!("/data/{ID}/{tail}");
            let path = Path::parse(&path, "").unwrap();
            assert_eq!((path.flow, path.job, path.place), ("data", Some(ID), Some(named)));
            assert_eq!(path.id(), JobId::parse(ID.as_bytes()).ok());
            assert!(path.id().is_some());
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
        let named = |path| Path::parse(path, "").map(|path| (path.flow, path.job, path.id()));
        assert_eq!(named("/d%61ta"), Some(("d%61ta", None, None)));
        assert_eq!(named("/data/..%2f"), Some(("data", Some("..%2f"), None)));
        assert_eq!(named("*"), Some(("*", None, None)));
        assert_eq!(named("/\u{e9}/\0"), Some(("\u{e9}", Some("\0"), None)));
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
