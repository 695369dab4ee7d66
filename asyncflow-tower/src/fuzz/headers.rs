//! Headers, each a line of the input.

use asyncflow_core::{IdempotencyKey, store::ContentType};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_TYPE, IF_NONE_MATCH},
};

use crate::headers::{
    Present, etag,
    idempotency::{self, IDEMPOTENCY_KEY},
    media_type,
    prefer::{PREFER, Prefer},
};

/// The most that anybody waits, in seconds.
const CAP: u32 = 25;

/// Reads the lines after the first byte, which chooses what header they are.
pub fn headers(input: &[u8]) {
    let Some((choice, lines)) = input.split_first() else { return };
    let lines: Vec<HeaderValue> =
        lines.split(|b| *b == b'\n').filter_map(|b| HeaderValue::from_bytes(b).ok()).collect();
    match choice % 4 {
        0 => prefer(&lines),
        1 => if_none_match(&lines),
        2 => idempotency_key(&lines),
        _ => content_type(&lines),
    }
}

fn map(name: &HeaderName, lines: &[HeaderValue]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.extend(lines.iter().map(|line| (name.clone(), line.clone())));
    headers
}

/// The first well-formed `wait` of all lines wins.
fn prefer(lines: &[HeaderValue]) {
    let headers = map(&PREFER, lines);
    assert_eq!(Present::of(&headers).prefer, !lines.is_empty());
    let read = Prefer::read(&headers, CAP);
    let (mut wait, mut respond_async) = (None, false);
    for element in lines.iter().flat_map(|line| split(line.as_bytes(), b',')) {
        let Some(preference) = split(&element, b';').into_iter().next() else { continue };
        let text = String::from_utf8_lossy(&preference).into_owned();
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        let (name, value) =
            (name.trim_matches([' ', '\t']).to_ascii_lowercase(), bare(value.trim_matches([' ', '\t'])));
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        match name.as_str() {
            "wait" if value.is_empty() => wait = wait.or(Some(CAP)),
            // What is too large for a number is more than anybody waits.
            "wait" if digits => wait = wait.or(Some(value.parse().unwrap_or(CAP).min(CAP))),
            "respond-async" => respond_async |= value.is_empty(),
            _ => {}
        }
    }
    assert_eq!(read.patience().map(|patience| patience.as_secs()), wait.map(u64::from), "{lines:?}");
    for accepted in [false, true] {
        let said = read.applied(accepted);
        let text = match (respond_async && accepted, wait) {
            (false, None) => None,
            (true, None) => Some("respond-async".to_owned()),
            (false, Some(wait)) => Some(format!("wait={wait}")),
            (true, Some(wait)) => Some(format!("respond-async, wait={wait}")),
        };
        assert_eq!(said.as_ref().and_then(|said| said.to_str().ok()), text.as_deref());
        // What is said back says the same when it is asked.
        let again = Prefer::read(&map(&PREFER, said.as_slice()), CAP);
        assert_eq!((again.patience(), again.applied(true)), (read.patience(), read.applied(accepted)));
    }
    assert_eq!(read.without_wait().patience(), None);
}

fn if_none_match(lines: &[HeaderValue]) {
    let headers = map(&IF_NONE_MATCH, lines);
    assert_eq!(Present::of(&headers).if_none_match, !lines.is_empty());
    for version in [0, 7, 26, u64::MAX] {
        let known = lines.iter().flat_map(|line| split(line.as_bytes(), b',')).any(|element| {
            let (strong, weak) = (format!("\"{version}\""), format!("W/\"{version}\""));
            element == b"*" || element == strong.as_bytes() || element == weak.as_bytes()
        });
        assert_eq!(etag::is_known(&headers, version), known, "{version} in {lines:?}");
        let ours = map(&IF_NONE_MATCH, &[etag::tag(version)]);
        assert!(etag::is_known(&ours, version) && !etag::is_known(&ours, version ^ 1));
    }
}

fn idempotency_key(lines: &[HeaderValue]) {
    let headers = map(&IDEMPOTENCY_KEY, lines);
    assert_eq!(Present::of(&headers).idempotency_key, !lines.is_empty());
    let expected = match lines {
        [] => Some(None),
        [line] => {
            let text = String::from_utf8_lossy(line.as_bytes()).into_owned();
            let text = text.trim_matches([' ', '\t']);
            let (opens, closes) = (text.starts_with('"'), text.ends_with('"'));
            let whole = opens == closes && text != "\"";
            let key = bare(text);
            let visible = key.chars().all(|c| ('!'..='~').contains(&c)) && (1..=255).contains(&key.len());
            (whole && visible).then(|| IdempotencyKey::new(key).ok())
        }
        _ => None,
    };
    assert_eq!(idempotency::read(&headers).ok(), expected, "{lines:?}");
}

/// The first line is the encoding, the others are types.
fn content_type(lines: &[HeaderValue]) {
    let Some((encoding, lines)) = lines.split_first() else { return };
    let mut headers = map(&CONTENT_TYPE, lines);
    headers.insert(CONTENT_ENCODING, encoding.clone());
    assert!(Present::of(&headers).content_encoding);
    let takes = |essence: &str| {
        assert_eq!(essence, essence.to_ascii_lowercase());
        !matches!(essence, "a/b" | "text/x")
    };
    let identity = encoding.as_bytes().split(|byte| *byte == b',').all(|coding| {
        let coding = String::from_utf8_lossy(coding).to_ascii_lowercase();
        matches!(coding.trim_matches([' ', '\t']), "" | "identity")
    });
    let expected = match lines {
        [line] => std::str::from_utf8(line.as_bytes()).ok().and_then(taken),
        _ => None,
    };
    let read = media_type::read(&headers, true, takes);
    assert_eq!(read.taken.ok(), expected.clone().filter(|_| identity), "{encoding:?} {lines:?}");
    let read = media_type::read(&headers, false, takes);
    assert!(!read.text || lines[0].as_bytes().to_ascii_lowercase().windows(10).any(|part| part == b"text/plain"));
    assert!(read.text || read.taken != Ok(ContentType::Text));
    assert_eq!(read.taken.ok(), expected);
}

/// What a single line says, if anybody takes it.
fn taken(line: &str) -> Option<ContentType> {
    let line = line.trim_matches([' ', '\t']);
    if line.len() > media_type::LONGEST || split(line.as_bytes(), b',').len() != 1 {
        return None;
    }
    let mut parts = line.splitn(2, ';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let names: Vec<&str> = essence.split('/').collect();
    let is_name = |name: &&str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c))
    };
    if names.len() != 2 || !names.iter().all(is_name) || matches!(essence.as_str(), "a/b" | "text/x") {
        return None;
    }
    if names[0] == "text" {
        for parameter in split(parts.next().unwrap_or_default().as_bytes(), b';') {
            let parameter = String::from_utf8_lossy(&parameter).to_ascii_lowercase();
            let (name, value) = parameter.split_once('=').unwrap_or((&parameter, ""));
            if name.trim_matches([' ', '\t']) == "charset"
                && !matches!(bare(value.trim_matches([' ', '\t'])), "utf-8" | "utf8")
            {
                return None;
            }
        }
    }
    Some(match essence.as_str() {
        "application/json" => ContentType::Json,
        "text/plain" => ContentType::Text,
        "application/octet-stream" => ContentType::Bytes,
        _ => ContentType::Other(line.into()),
    })
}

/// Without the quotes that are around it.
fn bare(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// The elements between separators, looking at each byte once it is known which are within quotes.
fn split(value: &[u8], separator: u8) -> Vec<Vec<u8>> {
    let (mut quoted, mut open) = (Vec::new(), false);
    while let Some(byte) = value.get(quoted.len()) {
        match byte {
            b'\\' if open => quoted.push(true),
            b'"' => open = !open,
            _ => {}
        }
        quoted.push(open);
    }
    let mut elements = vec![Vec::new()];
    for (byte, quoted) in value.iter().zip(quoted) {
        match elements.last_mut() {
            Some(last) if *byte != separator || quoted => last.push(*byte),
            _ => elements.push(Vec::new()),
        }
    }
    if open {
        elements.pop();
    }
    let trimmed = |element: Vec<u8>| match std::str::from_utf8(&element) {
        Ok(text) => text.trim_matches([' ', '\t']).as_bytes().to_vec(),
        Err(_) => element,
    };
    elements.into_iter().map(trimmed).collect()
}
