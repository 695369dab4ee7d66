//! The bodies of the wire, each joined from its pieces into one buffer.

use asyncflow_core::{JobId, Mark, Progress, Record, Stamp};

use super::{naming::Names, time::rfc3339};

/// The body of a 202.
pub(crate) fn enqueued(names: &Names, id: JobId, created: Stamp) -> Vec<u8> {
    [names.request_id, id.encode(&mut [0; 36]).as_bytes(), names.date_time, &rfc3339(created), b"\"}"].concat()
}

/// The body of a status: the members that are always there, then those that there is something to say of.
pub(crate) fn status(names: &Names, record: &Record) -> Vec<u8> {
    let progress = record.progress.as_deref().map(progress);
    let started = record.started.map(rfc3339);
    let ended = record.ended.map(rfc3339);
    let [started_at, started, started_end] = optional(names.started_at, &started);
    let [completed_at, completed, completed_end] = optional(names.completed_at, &ended);
    [
        names.request_id,
        record.job.id.encode(&mut [0; 36]).as_bytes(),
        names.status,
        record.state.as_str().as_bytes(),
        names.created_at,
        &rfc3339(record.created),
        b"\",\"progressData\":",
        progress.as_deref().unwrap_or(b"null"),
        started_at,
        started,
        started_end,
        completed_at,
        completed,
        completed_end,
        names.attempt,
        itoa::Buffer::new().format(record.attempt()).as_bytes(),
        if record.mark == Mark::Cancel { names.cancel_requested } else { b"" },
        b"}",
    ]
    .concat()
}

/// A member whose value is a time, or nothing.
fn optional<'a>(name: &'a [u8], time: &'a Option<[u8; 20]>) -> [&'a [u8]; 3] {
    time.as_ref().map_or([b""; 3], |time| [name, time, b"\""])
}

fn progress(progress: &Progress) -> Vec<u8> {
    let percentage = match progress.done() {
        // Up to where every whole number has a float of its own.
        Some(whole) if whole.fract() == 0.0 && whole.abs() <= 9_007_199_254_740_992.0 => (whole as i64).to_string(),
        Some(fraction) => serde_json::Value::from(fraction).to_string(),
        None => "null".to_owned(),
    };
    let (data, extra) = progress.extra().map_or(("", ""), |extra| (",\"data\":", extra));
    ["{\"progress\":", &string(progress.text()), ",\"percentage\":", &percentage, data, extra, "}"].concat().into()
}

/// The body of an error.
pub(crate) fn error(names: &Names, id: JobId, kind: &str, message: &str, trace: Option<&str>) -> Vec<u8> {
    [
        names.job_id,
        id.encode(&mut [0; 36]).as_bytes(),
        names.error_type,
        string(kind).as_bytes(),
        names.message,
        string(message).as_bytes(),
        names.stack_trace,
        trace.map_or_else(|| "null".to_owned(), string).as_bytes(),
        b"}}",
    ]
    .concat()
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
    use crate::answer::naming::Naming;

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
            progress: None,
            policy: Arc::new(Policy::default()),
        }
    }

    fn read(body: Vec<u8>) -> Value {
        serde_json::from_slice(&body).unwrap()
    }

    fn text(body: Vec<u8>) -> String {
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn an_answer_to_a_submit_has_exactly_two_members() {
        let (id, created) = (JobId::from_u128(7), Stamp::from_micros(0));
        assert_eq!(
            text(enqueued(Naming::Mixed.names(), id, created)),
            r#"{"RequestId":"00000000-0000-0000-0000-000000000007","DateTime":"1970-01-01T00:00:00Z"}"#
        );
        assert_eq!(
            text(enqueued(Naming::CamelCase.names(), id, created)),
            r#"{"requestId":"00000000-0000-0000-0000-000000000007","dateTime":"1970-01-01T00:00:00Z"}"#
        );
    }

    #[test]
    fn a_waiting_job_has_the_least_to_say() {
        assert_eq!(
            text(status(Naming::Mixed.names(), &record())),
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
            read(status(Naming::CamelCase.names(), &running)),
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
        let shown = read(status(Naming::Mixed.names(), &ended));
        assert_eq!((&shown["CompletedAt"], &shown["Attempt"]), (&json!("1970-01-01T00:00:00Z"), &json!(2)));
    }

    #[test]
    fn a_whole_percentage_is_an_integer() {
        let shown = |percentage: f64| {
            let text = text(progress(&Progress::new("x").percentage(percentage)));
            assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
            text.split_once("percentage\":").unwrap().1.trim_end_matches('}').to_owned()
        };
        assert_eq!(shown(90.0), "90");
        assert_eq!(shown(-0.0), "0");
        assert_eq!(shown(0.1), "0.1");
        assert_eq!(shown(1e21), "1e+21");
        assert_eq!(shown(f64::NAN), "null");
        shown(f64::MAX);
        shown(f64::MIN_POSITIVE);
        assert_eq!(text(progress(&Progress::new("x"))), r#"{"progress":"x","percentage":null}"#);
    }

    #[test]
    fn an_error_has_exactly_its_members() {
        let id = JobId::from_u128(7);
        assert_eq!(
            text(error(Naming::Mixed.names(), id, "A", "b\"", Some("c\nd"))),
            r#"{"JobId":"00000000-0000-0000-0000-000000000007","Error":{"Type":"A","Message":"b\"","StackTrace":"c\nd"}}"#
        );
        assert_eq!(
            text(error(Naming::CamelCase.names(), id, "A", "b", None)),
            r#"{"jobId":"00000000-0000-0000-0000-000000000007","error":{"type":"A","message":"b","stackTrace":null}}"#
        );
    }
}
