//! The bodies of the wire, each joined from its pieces into one buffer.

use std::io::Write;

use asyncflow_core::{JobId, Mark, Progress, Record, Stamp, State};

use super::naming::Names;

/// The body of a 202.
pub(crate) fn enqueued(names: &Names, id: JobId, created: Stamp) -> String {
    let (mut id_text, mut time) = ([0; 36], [0; 20]);
    [names.request_id, id.encode(&mut id_text), names.date_time, rfc3339(created, &mut time), "\"}"].concat()
}

/// The body of a status: the members that are always there, then those that there is something to say of.
pub(crate) fn status(names: &Names, record: &Record) -> String {
    let (mut id, mut created, mut started, mut ended) = ([0; 36], [0; 20], [0; 20], [0; 20]);
    let mut attempt = itoa::Buffer::new();
    let progress = record.progress.as_deref().map(progress);
    let optional = |stamp: Option<Stamp>, name, buffer| match stamp {
        Some(stamp) => [name, rfc3339(stamp, buffer), "\""],
        None => [""; 3],
    };
    let [started_at, started, started_end] = optional(record.started, names.started_at, &mut started);
    let [completed_at, completed, completed_end] = optional(record.ended, names.completed_at, &mut ended);
    [
        names.request_id,
        record.job.id.encode(&mut id),
        names.status,
        record.state.as_str(),
        names.created_at,
        rfc3339(record.created, &mut created),
        "\",\"progressData\":",
        progress.as_deref().unwrap_or("null"),
        started_at,
        started,
        started_end,
        completed_at,
        completed,
        completed_end,
        names.attempt,
        attempt.format(record.tally.attempts.saturating_add((record.state == State::Processing).into())),
        if record.mark == Mark::Cancel { names.cancel_requested } else { "" },
        "}",
    ]
    .concat()
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
pub(crate) fn error(names: &Names, id: JobId, kind: &str, message: &str, trace: Option<&str>) -> String {
    [
        names.job_id,
        id.encode(&mut [0; 36]),
        names.error_type,
        &string(kind),
        names.message,
        &string(message),
        names.stack_trace,
        &trace.map_or_else(|| "null".to_owned(), string),
        "}}",
    ]
    .concat()
}

/// A text as a JSON string, quotes included.
pub(crate) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// RFC 3339, UTC, whole seconds: always 20 characters.
fn rfc3339(stamp: Stamp, buffer: &mut [u8; 20]) -> &str {
    // A year has four digits (later stamps are shown as the last of them), so it fits; and it is ASCII.
    let _ = write!(&mut buffer[..], "{stamp}");
    std::str::from_utf8(buffer).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use asyncflow_core::{JobKey, Policy, Tally, Token};
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

    fn read(text: String) -> Value {
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn an_answer_to_a_submit_has_exactly_two_members() {
        let (id, created) = (JobId::from_u128(7), Stamp::from_micros(0));
        assert_eq!(
            enqueued(Naming::Mixed.names(), id, created),
            r#"{"RequestId":"00000000-0000-0000-0000-000000000007","DateTime":"1970-01-01T00:00:00Z"}"#
        );
        assert_eq!(
            enqueued(Naming::CamelCase.names(), id, created),
            r#"{"requestId":"00000000-0000-0000-0000-000000000007","dateTime":"1970-01-01T00:00:00Z"}"#
        );
    }

    #[test]
    fn a_waiting_job_has_the_least_to_say() {
        assert_eq!(
            status(Naming::Mixed.names(), &record()),
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
            let text = progress(&Progress::new("x").percentage(percentage));
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
        assert_eq!(progress(&Progress::new("x")), r#"{"progress":"x","percentage":null}"#);
    }

    #[test]
    fn an_error_has_exactly_its_members() {
        let id = JobId::from_u128(7);
        assert_eq!(
            error(Naming::Mixed.names(), id, "A", "b\"", Some("c\nd")),
            r#"{"JobId":"00000000-0000-0000-0000-000000000007","Error":{"Type":"A","Message":"b\"","StackTrace":"c\nd"}}"#
        );
        assert_eq!(
            error(Naming::CamelCase.names(), id, "A", "b", None),
            r#"{"jobId":"00000000-0000-0000-0000-000000000007","error":{"type":"A","message":"b","stackTrace":null}}"#
        );
    }
}
