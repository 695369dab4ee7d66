//! Paths.

use asyncflow_core::JobId;
use http::Method;

use crate::{
    endpoint::{Endpoint, Place},
    route::Path,
};

const PREFIXES: [&str; 4] = ["", "/api", "/api/v1", "/a"];

/// Reads the path after the first byte, which chooses the prefix that the service is mounted at.
pub fn route(input: &[u8]) {
    let Some((choice, path)) = input.split_first() else { return };
    let Ok(path) = std::str::from_utf8(path) else { return };
    let prefix = PREFIXES[usize::from(*choice) % PREFIXES.len()];
    assert_eq!(Path::parse(path, prefix), slow(path, prefix), "{path} below {prefix}");
    if let Some(Path { flow, place: Some(place), .. }) = Path::parse(path, prefix) {
        methods(place);
        // Whatever the mount, it is the same below it.
        let below = path.strip_prefix(prefix).unwrap_or_default();
        assert_eq!(Path::parse(below, "").map(|path| path.flow), Some(flow));
    }
}

/// Segment by segment.
fn slow<'a>(path: &'a str, prefix: &str) -> Option<Path<'a>> {
    let below = path.strip_prefix(prefix)?;
    if !prefix.is_empty() && !below.starts_with('/') {
        return None;
    }
    let segments: Vec<&str> = below.split('/').skip_while(|segment| segment.is_empty()).collect();
    let place = match segments[..] {
        [] => return None,
        [_] => Some(Place::Flow),
        [_, ""] | [_, "", ..] => None,
        [_, _] => Some(Place::Job),
        [_, _, "status"] => Some(Place::Status),
        [_, _, "result"] => Some(Place::Result),
        [_, _, "error"] => Some(Place::Error),
        [_, _, "cancel"] => Some(Place::Cancel),
        _ => None,
    };
    Some(Path { flow: segments[0], place, id: segments.get(1).and_then(|segment| id(segment)) })
}

fn id(text: &str) -> Option<JobId> {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let bits = u128::from_str_radix(&text.replace('-', ""), 16).ok().filter(|_| !text.contains('+'))?;
    (groups == [8, 4, 4, 4, 12]).then_some(JobId::from_u128(bits))
}

/// The table of the contract.
fn methods(place: Place) {
    let open: &[(Method, Endpoint)] = match place {
        Place::Flow => &[(Method::POST, Endpoint::Enqueue)],
        Place::Job => {
            &[(Method::GET, Endpoint::Status), (Method::HEAD, Endpoint::Status), (Method::DELETE, Endpoint::Delete)]
        }
        Place::Status => &[(Method::GET, Endpoint::Status), (Method::HEAD, Endpoint::Status)],
        Place::Result => &[(Method::GET, Endpoint::Result), (Method::HEAD, Endpoint::Result)],
        Place::Error => &[(Method::GET, Endpoint::Error), (Method::HEAD, Endpoint::Error)],
        Place::Cancel => &[(Method::POST, Endpoint::Cancel)],
    };
    for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
    {
        let expected = open.iter().find(|(open, _)| *open == method).map(|(_, endpoint)| *endpoint);
        assert_eq!(Endpoint::at(place, &method), expected, "{method} at {place:?}");
    }
}
