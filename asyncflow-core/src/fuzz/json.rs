//! Bodies: what is JSON, and what fits a type.

use std::fmt::Debug;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, value::RawValue};

use crate::{
    flow::{DecodeError, FromPayload, IntoPayload, Raw},
    job::{JobError, Progress},
    store::{ContentType, Part},
};

#[derive(Debug, Deserialize)]
struct Order {
    items: Vec<Item>,
    note: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Item {
    count: u8,
}

/// Reads the bytes after the first, which chooses what as: malformed is exactly what the grammar refuses, and what was read is what is
/// written there.
pub fn json(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let depth = Grammar::depth(bytes);
    let malformed = std::str::from_utf8(bytes).is_err() || depth.is_none_or(|depth| depth > 127);
    match choice % 4 {
        0 => {
            let value = read::<Value>(bytes, malformed);
            if let Ok(value) = &value {
                let written = value.clone().into_payload().unwrap_or_else(never).bytes;
                let again = read::<Value>(&written, false);
                // A float may change by its last digit.
                assert!(again.as_ref() == Ok(value) || written.contains(&b'.') || written.contains(&b'e'));
            }
            if let (Ok(order), Ok(value)) = (read::<Order>(bytes, malformed), value) {
                // Who writes a struct as a list does not get here twice.
                let counts: Vec<u8> = order.items.iter().map(|item| item.count).collect();
                let items = value.get("items").or(value.get(0)).and_then(Value::as_array);
                let count = |item: &Value| item.get("count").or(item.get(0)).and_then(Value::as_u64);
                let said: Vec<_> = items.into_iter().flatten().filter_map(count).map(|count| count as u8).collect();
                assert_eq!(counts, said);
                assert_eq!(order.note.as_deref(), value.get("note").or(value.get(1)).and_then(Value::as_str));
            }
        }
        1 => {
            assert_eq!(read::<IgnoredAny>(bytes, malformed).is_ok(), !malformed);
            if let Ok(raw) = read::<Box<RawValue>>(bytes, malformed) {
                assert_eq!(raw.get().as_bytes(), bytes.trim_ascii());
            }
        }
        2 => {
            for content_type in ["application/json", "application/x+json; a=b", "text/plain; charset=utf-8", "a/b"] {
                let part = Part { content_type: ContentType::from(content_type), bytes: bytes.to_vec().into() };
                let read = Raw::from_payload(&part);
                assert_eq!(read.is_ok(), !malformed || !content_type.contains("json"), "{content_type}");
                assert!(read.is_err() || read == Ok(Raw(part)));
            }
        }
        _ => {
            if let Ok(error) = JobError::from_part(&Part::json(bytes.to_vec())) {
                assert!(error.trace().starts_with(&format!("{}: {}", error.kind, error.message)));
                assert_eq!(JobError::from_part(&Part::error(&error)).ok().as_ref(), Some(&error));
            }
            if let Ok(progress) = serde_json::from_slice::<Progress>(bytes) {
                let text = serde_json::to_string(&progress).unwrap_or_else(never);
                let again: Progress = serde_json::from_str(&text).unwrap_or_else(never);
                assert_eq!((again.text(), again.extra()), (progress.text(), progress.extra()));
            }
        }
    }
}

fn read<T: FromPayload>(bytes: &[u8], malformed: bool) -> Result<T, DecodeError> {
    let read = T::from_payload(&Part::json(bytes.to_vec()));
    match &read {
        Ok(_) => assert!(!malformed, "what is malformed was read"),
        Err(DecodeError::Malformed(why)) => assert!(malformed, "what is well formed was called malformed: {why}"),
        Err(DecodeError::Mismatch { message, .. }) => assert!(!malformed && !message.is_empty(), "{message}"),
        Err(other) => panic!("{other}"),
    }
    read
}

fn never<T>(error: impl Debug) -> T {
    panic!("what was read cannot be written: {error:?}")
}

/// The grammar of RFC 8259, a function a rule.
struct Grammar<'a> {
    rest: &'a [u8],
    deepest: usize,
}

impl<'a> Grammar<'a> {
    /// How deep a text is nested, if it is JSON.
    fn depth(text: &'a [u8]) -> Option<usize> {
        let mut grammar = Self { rest: text, deepest: 0 };
        grammar.value(0)?;
        grammar.space();
        grammar.rest.is_empty().then_some(grammar.deepest)
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        self.space();
        self.deepest = self.deepest.max(depth);
        match self.rest.first()? {
            b'{' => self.list(
                b'}',
                |grammar| {
                    grammar.space();
                    grammar.string()?;
                    grammar.space();
                    grammar.literal(b":")?;
                    grammar.value(depth + 1)
                },
                depth,
            ),
            b'[' => self.list(b']', |grammar| grammar.value(depth + 1), depth),
            b'"' => self.string(),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number(),
        }
    }

    fn list(&mut self, end: u8, element: impl Fn(&mut Self) -> Option<()>, depth: usize) -> Option<()> {
        self.deepest = self.deepest.max(depth + 1);
        self.rest = &self.rest[1..];
        self.space();
        if self.literal(&[end]).is_some() {
            return Some(());
        }
        loop {
            element(self)?;
            self.space();
            if self.literal(&[end]).is_some() {
                return Some(());
            }
            self.literal(b",")?;
        }
    }

    fn string(&mut self) -> Option<()> {
        self.literal(b"\"")?;
        loop {
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'u' => (0..4).try_for_each(|_| self.next()?.is_ascii_hexdigit().then_some(()))?,
                    escaped => b"\"\\/bfnrt".contains(&escaped).then_some(())?,
                },
                0..0x20 => return None,
                _ => {}
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.literal(b"-");
        if self.literal(b"0").is_none() {
            self.digits()?;
        }
        if self.literal(b".").is_some() {
            self.digits()?;
        }
        if self.literal(b"e").or_else(|| self.literal(b"E")).is_some() {
            let _ = self.literal(b"-").or_else(|| self.literal(b"+"));
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = &self.rest[digits..];
        (digits > 0).then_some(())
    }

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}
