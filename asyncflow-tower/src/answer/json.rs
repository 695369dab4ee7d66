//! The bodies of the wire, each joined from its pieces into one buffer.

use asyncflow_core::{JobId, Mark, Progress, Record, Stamp};

use super::{
    id_text, join,
    naming::{Camel, Mixed, Names, Naming},
    time::rfc3339,
};

/// Calls a function for the names of a setting.
macro_rules! by_names {
    ($naming:expr, $function:ident($($argument:expr),*)) => {
        match $naming {
            Naming::Mixed => $function::<Mixed>($($argument),*),
            Naming::CamelCase => $function::<Camel>($($argument),*),
        }
    };
}

/// Adds pieces to a buffer.
macro_rules! put {
    ($buffer:ident, $($piece:expr),*) => {
        $($buffer.extend_from_slice($piece.as_ref());)*
    };
}

/// What a status has room for beside its job's progress: as many bytes as its other members have at most.
const ALL_BUT_PROGRESS: usize = 242;

/// The body of a 202.
pub(crate) fn enqueued(naming: Naming, id: &[u8; 36], created: Stamp) -> Vec<u8> {
    by_names!(naming, write_enqueued(id, created))
}

fn write_enqueued<N: Names>(id: &[u8; 36], created: Stamp) -> Vec<u8> {
    let created = rfc3339(created);
    join![N::REQUEST_ID, id, N::DATE_TIME, created, "\"}"]
}

/// The body of a status: the members that are always there, then those that there is something to say of.
pub(crate) fn status(naming: Naming, record: &Record) -> Vec<u8> {
    by_names!(naming, write_status(record))
}

fn write_status<N: Names>(record: &Record) -> Vec<u8> {
    let progress = record.progress.as_deref().map(progress);
    let progress = progress.as_deref().unwrap_or("null");
    let created = rfc3339(record.created);
    // Most jobs start, and many end, within the second in which they were made.
    let time = |stamp: Stamp| if stamp.as_secs() == record.created.as_secs() { created } else { rfc3339(stamp) };
    let mut body = Vec::with_capacity(ALL_BUT_PROGRESS + progress.len());
    put![body, N::REQUEST_ID, id_text(record.job.id), N::STATUS, record.state.as_str(), N::CREATED_AT, created];
    put![body, "\",\"progressData\":", progress];
    if let Some(started) = record.started {
        put![body, N::STARTED_AT, time(started), "\""];
    }
    if let Some(ended) = record.ended {
        put![body, N::COMPLETED_AT, time(ended), "\""];
    }
    put![body, N::ATTEMPT, itoa::Buffer::new().format(record.attempt())];
    if record.mark == Mark::Cancel {
        put![body, N::CANCEL_REQUESTED];
    }
    put![body, "}"];
    body
}

fn progress(progress: &Progress) -> String {
    let percentage = match progress.done() {
        // Up to where every whole number has a float of its own.
        Some(whole) if whole.fract() == 0.0 && whole.abs() <= 9_007_199_254_740_992.0 => (whole as i64).to_string(),
        Some(fraction) => serde_json::Value::from(fraction).to_string(),
        None => "null".to_owned(),
    };
    let (data, extra) = progress.extra().map_or(("", ""), |extra| (",\"data\":", extra));
    ["{\"progress\":", &string(progress.text()), ",\"percentage\":", &percentage, data, extra, "}"].concat()
}

/// The body of an error.
pub(crate) fn error(naming: Naming, id: JobId, kind: &str, message: &str, trace: Option<&str>) -> Vec<u8> {
    by_names!(naming, write_error(id, kind, message, trace))
}

fn write_error<N: Names>(id: JobId, kind: &str, message: &str, trace: Option<&str>) -> Vec<u8> {
    let (id, kind, message) = (id_text(id), string(kind), string(message));
    let trace = trace.map_or_else(|| "null".to_owned(), string);
    join![N::JOB_ID, id, N::ERROR_TYPE, kind, N::MESSAGE, message, N::STACK_TRACE, trace, "}}"]
}

/// A text as a JSON string, quotes included.
pub(crate) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use asyncflow_core::{JobKey, Policy, State, Tally, Token};
    use serde_json::{Value, json};

    use super::*;

    fn record() -> Record {
        Record {
            job: JobKey { flow: "data".into(), id: JobId::from_u128(7) },
            flow_version: 0,
            state: State::Enqueued,
            version: 1,
            created: Stamp::from_micros(1_692_027_045_999_999),
            started: None,
            ended: None,
            due: Stamp::default(),
            rank: 0,
            priority: 0,
            token: None,
            mark: Mark::None,
            tally: Tally::default(),
            owner: None,
            limit_key: None,
            unique_key: None,
            progress: None,
            policy: Arc::new(Policy::default()),
        }
    }

    fn read(body: Vec<u8>) -> Value {
        serde_json::from_slice(&body).unwrap()
    }

    fn shown(body: Vec<u8>) -> String {
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn an_answer_to_a_submit_has_exactly_two_members() {
        let (id, created) = (b"00000000-0000-0000-0000-000000000007", Stamp::from_micros(0));
        assert_eq!(
            shown(enqueued(Naming::Mixed, id, created)),
            r#"{"RequestId":"00000000-0000-0000-0000-000000000007","DateTime":"1970-01-01T00:00:00Z"}"#
        );
        assert_eq!(
            shown(enqueued(Naming::CamelCase, id, created)),
            r#"{"requestId":"00000000-0000-0000-0000-000000000007","dateTime":"1970-01-01T00:00:00Z"}"#
        );
    }

    #[test]
    fn a_waiting_job_has_the_least_to_say() {
        assert_eq!(
            shown(status(Naming::Mixed, &record())),
            r#"{"RequestId":"00000000-0000-0000-0000-000000000007","Status":"Enqueued","CreatedAt":"2023-08-14T15:30:45Z","progressData":null,"Attempt":0}"#
        );
    }

    #[test]
    fn a_running_job_says_all() {
        let running = Record {
            state: State::Processing,
            started: Some(Stamp::from_micros(1_000_000)),
            token: Some(Token::from_u128(1)),
            mark: Mark::Cancel,
            tally: Tally { attempts: 2, ..Tally::default() },
            progress: Some(Arc::new(Progress::new("a \"b\"\n\u{1}").percentage(12.5).data(&json!({ "rows": [1] })))),
            ..record()
        };
        assert_eq!(
            read(status(Naming::CamelCase, &running)),
            json!({
                "requestId": "00000000-0000-0000-0000-000000000007",
                "status": "Processing",
                "createdAt": "2023-08-14T15:30:45Z",
                "progressData": { "progress": "a \"b\"\n\u{1}", "percentage": 12.5, "data": { "rows": [1] } },
                "startedAt": "1970-01-01T00:00:01Z",
                "attempt": 3,
                "cancelRequested": true,
            })
        );
        let ended = Record { state: State::Succeeded, ended: Some(Stamp::from_micros(-5)), ..running };
        let ended = read(status(Naming::Mixed, &ended));
        assert_eq!((&ended["CompletedAt"], &ended["Attempt"]), (&json!("1970-01-01T00:00:00Z"), &json!(2)));
    }

    #[test]
    fn a_whole_percentage_is_an_integer() {
        let percent = |percentage: f64| {
            let text = progress(&Progress::new("x").percentage(percentage));
            assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
            text.split_once("percentage\":").unwrap().1.trim_end_matches('}').to_owned()
        };
        assert_eq!(percent(90.0), "90");
        assert_eq!(percent(-0.0), "0");
        assert_eq!(percent(0.1), "0.1");
        assert_eq!(percent(1e21), "1e+21");
        assert_eq!(percent(f64::NAN), "null");
        percent(f64::MAX);
        percent(f64::MIN_POSITIVE);
        assert_eq!(progress(&Progress::new("x")), r#"{"progress":"x","percentage":null}"#);
    }

    #[test]
    fn an_error_has_exactly_its_members() {
        let id = JobId::from_u128(7);
        assert_eq!(
            shown(error(Naming::Mixed, id, "A", "b\"", Some("c\nd"))),
            r#"{"JobId":"00000000-0000-0000-0000-000000000007","Error":{"Type":"A","Message":"b\"","StackTrace":"c\nd"}}"#
        );
        assert_eq!(
            shown(error(Naming::CamelCase, id, "A", "b", None)),
            r#"{"jobId":"00000000-0000-0000-0000-000000000007","error":{"type":"A","message":"b","stackTrace":null}}"#
        );
    }
}
