//! What is read from configuration, from headers and from a store: options, policies, durations, ids, keys, media types.

use std::{fmt::Debug, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    engine::IdempotencyKey,
    job::{JobId, Stamp},
    policy::{FlowOptions, Limits, Policy, Rate, Retry, Settings},
    store::ContentType,
};

const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Reads the text after the first byte, which chooses what as.
pub fn values(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    match (choice % 8, std::str::from_utf8(bytes)) {
        (0, Ok(text)) => options(text),
        (1, Ok(text)) => settings(text),
        (2, Ok(text)) => policy(text),
        (3, Ok(text)) => duration(text),
        (4, Ok(text)) => key(text),
        (5, Ok(text)) => content_type(text),
        (6, _) => id(bytes),
        (7, _) => nanos(bytes),
        _ => {}
    }
}

/// What was read from a configuration is written so that it is read the same, and is refused if any of it cannot be honoured.
fn options(text: &str) {
    let Ok(options) = serde_json::from_str::<FlowOptions>(text) else { return };
    same(&options, |options| options.retry = unjittered(&options.retry));
    let o = &options;
    let times = [o.timeout.unwrap_or(LONGEST), o.expiry, o.progress_interval];
    let kept = [o.retention.succeeded, o.retention.failed, o.retention.cancelled];
    let fits = retries(&o.retry)
        && limits(&o.limits)
        && (-10..=10).contains(&o.priority)
        && o.timeout != Some(Duration::ZERO)
        && !o.expiry.is_zero()
        && times.iter().chain(&kept).all(|time| *time <= LONGEST)
        && o.max_request > 0
        && o.max_result > 0
        && o.max_waiting > 0
        && o.max_waiting_per_owner.is_none_or(|own| own > 0 && own <= o.max_waiting)
        && (1..=100).contains(&o.max_crashes)
        && o.max_bytes >= o.max_request;
    assert_eq!(o.check().is_ok(), fits, "{o:?}: {:?}", o.check());
    if fits {
        delays(&o.retry);
        assert!(o.versions().contains(&o.version));
    }
}

/// A policy that a store holds does no harm, though nobody checks it.
fn policy(text: &str) {
    let Ok(policy) = serde_json::from_str::<Policy>(text) else { return };
    same(&policy, |policy| policy.retry = unjittered(&policy.retry));
    delays(&policy.retry);
}

/// What was set while nodes run does no harm either.
fn settings(text: &str) {
    let Ok(settings) = serde_json::from_str::<Settings>(text) else { return };
    same(&settings, |_| {});
    for limits in settings.flows.values().filter_map(|flow| flow.limits.as_ref()) {
        for rate in [limits.rate, limits.rate_per_key].into_iter().flatten() {
            starts(rate);
        }
    }
}

fn limits(limits: &Limits) -> bool {
    let rates = [limits.rate, limits.rate_per_key];
    let kept = |Rate { jobs, per }: Rate| jobs > 0 && per <= LONGEST && per / jobs >= Duration::from_micros(1);
    rates.iter().flatten().for_each(|rate| starts(*rate));
    rates.into_iter().flatten().all(kept) && limits.running != Some(0) && limits.running_per_key != Some(0)
}

/// So many start at once, and after the wait that is said another one, wherever the clock stands.
fn starts(rate: Rate) {
    for now in [i64::MIN, 0, i64::MAX].map(Stamp::from_micros) {
        let (mut last, mut started) = (None, 0);
        let wait = loop {
            match rate.start(last, now) {
                Ok(next) => (last, started) = (Some(next), started + 1),
                Err(wait) => break wait,
            }
            if started == 8 || now + Duration::from_micros(1) == now {
                return;
            }
        };
        assert_eq!(started, rate.jobs.max(1));
        assert!(rate.start(last, now + wait).is_ok() || now + wait < now, "{rate:?} {wait:?}");
        assert!(wait.is_zero() || rate.start(last, now + (wait - Duration::from_micros(1))).is_err());
    }
}

fn retries(retry: &Retry) -> bool {
    match retry {
        Retry::Never => true,
        Retry::Fixed { attempts, delay } => *attempts > 0 && *delay <= LONGEST,
        Retry::Exponential { attempts, delay, cap, jitter } => {
            *attempts > 0 && delay <= cap && *cap <= LONGEST && (0.0..=1.0).contains(jitter)
        }
    }
}

/// No delay is longer than what was set.
fn delays(retry: &Retry) {
    for failures in [0, 1, 2, 3, 40, u32::MAX] {
        for chance in [0.0, 0.5, 1.0] {
            let after = retry.after(failures, chance);
            match retry {
                Retry::Never => assert_eq!(after, None),
                Retry::Fixed { attempts, delay } => assert_eq!(after, (failures < *attempts).then_some(*delay)),
                Retry::Exponential { attempts, cap, .. } => {
                    assert_eq!(after.is_some(), failures < *attempts);
                    assert!(after.is_none_or(|after| after <= *cap), "{after:?} after a cap of {cap:?}");
                }
            }
        }
    }
}

/// The jitter may change by its last digit on its way through JSON.
fn unjittered(retry: &Retry) -> Retry {
    retry.clone().jitter(0.5)
}

fn same<T: Serialize + DeserializeOwned + Clone + PartialEq + Debug>(value: &T, but_for: impl Fn(&mut T)) {
    let text = serde_json::to_string(value).unwrap_or_default();
    let (mut one, mut other) = (value.clone(), serde_json::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}")));
    but_for(&mut one);
    but_for(&mut other);
    assert_eq!(one, other);
}

fn timeout(text: &str) -> Option<Duration> {
    let json = serde_json::json!({ "timeout": text }).to_string();
    serde_json::from_str::<FlowOptions>(&json).ok()?.timeout
}

/// A text of whole numbers with units is their sum.
fn duration(text: &str) {
    let read = timeout(text);
    if text.bytes().all(|byte| byte.is_ascii_digit() || b" smhd".contains(&byte)) {
        assert_eq!(read, sum(text), "{text}");
    }
}

fn sum(text: &str) -> Option<Duration> {
    let (mut number, mut unit, mut nanos, mut spans) = (String::new(), String::new(), 0_u128, 0);
    // What follows the last unit closes it.
    for byte in text.chars().chain(['1']) {
        match byte {
            '0'..='9' | ' ' if !unit.is_empty() => {
                nanos = nanos.checked_add(span(&number, &unit)?)?;
                spans += 1;
                number = byte.to_string().trim().to_owned();
                unit.clear();
            }
            '0'..='9' => number.push(byte),
            ' ' => {}
            _ if number.is_empty() => return None,
            _ => unit.push(byte),
        }
    }
    let left = &number[..number.len() - 1];
    // Nothing is nothing in any unit.
    let zero = left == "0" && (text == "0" || spans > 0 && text.ends_with('0'));
    let whole = zero || spans > 0 && left.is_empty();
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    whole.then_some(Duration::new(seconds.try_into().ok()?, nanos as u32))
}

fn span(number: &str, unit: &str) -> Option<u128> {
    let number: u64 = number.parse().ok()?;
    let nanos: u64 = match unit {
        "ms" => return number.checked_mul(1_000_000).map(u128::from),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(u128::from(number.checked_mul(nanos)?) * 1_000_000_000)
}

/// Any duration at all is written so that it is read the same.
fn nanos(bytes: &[u8]) {
    let Some((seconds, rest)) = bytes.split_first_chunk::<8>() else { return };
    let nanos = rest.first_chunk::<4>().map_or(0, |nanos| u32::from_be_bytes(*nanos) % 1_000_000_000);
    let options = FlowOptions::new().expiry(Duration::new(u64::from_be_bytes(*seconds), nanos));
    same(&options, |_| {});
}

fn key(text: &str) {
    let fits = !text.is_empty() && text.chars().count() <= 255 && text.chars().all(|c| ('!'..='~').contains(&c));
    assert_eq!(IdempotencyKey::new(text).is_ok(), fits, "{text}");
}

fn content_type(text: &str) {
    let read = ContentType::from(text);
    assert_eq!(read.as_str(), text);
    assert_eq!(ContentType::from(read.as_str()), read);
    let essence = text.find(';').map_or(text, |end| &text[..end]).trim().to_ascii_lowercase();
    assert_eq!(read.essence(), essence);
    assert_eq!(read.is_json(), essence == "application/json" || essence.ends_with("+json"));
}

/// An id is 32 digits in five groups, and is written in lower case.
fn id(bytes: &[u8]) {
    let groups: Vec<usize> = bytes.split(|byte| *byte == b'-').map(<[u8]>::len).collect();
    let fits = groups == [8, 4, 4, 4, 12] && bytes.iter().all(|byte| *byte == b'-' || byte.is_ascii_hexdigit());
    match JobId::parse(bytes) {
        Ok(id) => {
            assert!(fits);
            assert_eq!(id.to_string().as_bytes(), bytes.to_ascii_lowercase());
            assert_eq!(*id.encode(&mut [0; 36]), *id.to_string());
            assert_eq!(JobId::from_u128(id.as_u128()), id);
            assert_eq!(serde_json::from_str::<JobId>(&format!("\"{id}\"")).ok(), Some(id));
        }
        Err(_) => assert!(!fits),
    }
}
