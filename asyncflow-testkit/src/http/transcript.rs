//! What was said, with everything masked that two runs may not have in common.

use std::fmt::{self, Write as _};

use super::request::Request;
use super::wire::Answer;

/// All exchanges of a run of the suite, as text, in which two mounts that behave alike do not differ in one byte.
///
/// Masked are job ids, times, entity tags (numbered in the order of their first use in a case, so that it can still be
/// seen where the same one comes again), the `instance` of a problem, and how many seconds a `Retry-After` asks for.
/// Headers are sorted by name: their order means nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    /// What was said in each case.
    cases: Vec<(String, String)>,
}

impl Transcript {
    /// Adds the exchanges of a case, if there are any.
    pub(super) fn add(&mut self, case: &str, exchanges: &[(Request, Option<Answer>)]) {
        let mut masks = Masks::default();
        let mut text = Lines::default();
        for (request, answer) in exchanges {
            text.exchange(&mut masks, request, answer.as_ref());
        }
        if !exchanges.is_empty() {
            self.cases.push((case.to_owned(), text.0));
        }
    }

    /// Where what was said here differs from what was said there: of each such case the first line, with what was said before it. A
    /// case that was not played here, as the mount has no layer, is no difference.
    pub fn differences(&self, there: &Self) -> Vec<String> {
        let differs = |(case, here): &(String, String)| {
            let there = there.cases.iter().find(|(name, _)| name == case).map_or("", |(_, text)| text);
            let (here, there): (Vec<_>, Vec<_>) = (here.lines().collect(), there.lines().collect());
            let line = |lines: &[&str], at: usize| lines.get(at).copied().unwrap_or("(end)").to_owned();
            let at = (0..here.len().max(there.len())).find(|&at| line(&here, at) != line(&there, at))?;
            let (before, here, there) = (here[..at].join("\n"), line(&here, at), line(&there, at));
            Some(format!("{case}\n{before}\nhere:  {here}\nthere: {there}"))
        };
        self.cases.iter().filter_map(differs).collect()
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (case, text) in &self.cases {
            write!(f, "{between}## {case}\n{text}")?;
            between = "\n";
        }
        Ok(())
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transcript({} cases)", self.cases.len())
    }
}

/// The text of a case.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn exchange(&mut self, masks: &mut Masks, request: &Request, answer: Option<&Answer>) {
        let space = if self.0.is_empty() { "" } else { "\n" };
        self.line(&format!("{space}>"), &format!("{} {}", request.method, masks.text(&request.target)));
        for (name, value) in &request.headers {
            self.header(">", masks, name, &value.escape_ascii().to_string());
        }
        self.body(">", masks, &request.payload);
        let Some(answer) = answer else {
            return self.line("<", "(the answer was not awaited)");
        };
        for code in &answer.interim {
            self.line("<", &code.to_string());
        }
        self.line("<", &format!("{} {}", answer.status, answer.reason));
        let mut headers: Vec<_> = answer.headers.iter().collect();
        headers.sort();
        for (name, value) in headers {
            self.header("<", masks, name, value);
        }
        self.body("<", masks, &answer.body);
    }

    fn line(&mut self, mark: &str, text: &str) {
        let end = if text.is_empty() { "" } else { " " };
        // Writing into a `String` cannot fail.
        let _ = writeln!(self.0, "{mark}{end}{text}");
    }

    fn header(&mut self, mark: &str, masks: &mut Masks, name: &str, value: &str) {
        let value = match name {
            _ if masks.off => value.to_owned(),
            "date" => "<date>".to_owned(),
            "retry-after" => "<seconds>".to_owned(),
            "etag" | "if-none-match" => masks.tags(value),
            _ => masks.text(value),
        };
        self.line(mark, &format!("{name}: {}", shortened(&value)));
    }

    fn body(&mut self, mark: &str, masks: &mut Masks, body: &[u8]) {
        if !body.is_empty() {
            let text = std::str::from_utf8(body).map(|text| text.replace('\r', "\\r"));
            let text = text.unwrap_or_else(|_| body.escape_ascii().to_string());
            for line in shortened(&masks.text(&text)).lines() {
                self.line(&format!("{mark} |"), line);
            }
        }
    }
}

/// One exchange as text, with nothing masked.
pub(super) fn plain(request: &Request, answer: &Answer) -> String {
    let mut text = Lines::default();
    text.exchange(&mut Masks { off: true, ..Masks::default() }, request, Some(answer));
    text.0
}

/// A text with its ids and times masked.
pub(super) fn masked(text: &str) -> String {
    Masks::default().text(text)
}

/// The ids and tags that a case has seen, in order.
#[derive(Default)]
struct Masks {
    off: bool,
    ids: Vec<String>,
    tags: Vec<String>,
}

impl Masks {
    fn text(&mut self, text: &str) -> String {
        if self.off {
            return text.to_owned();
        }
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((instance, after)) = rest.strip_prefix("urn:uuid:").and_then(|rest| cut(rest, UUID)) {
                masked.push_str(if instance == instance.to_lowercase() { "<instance>" } else { instance });
                rest = after;
            } else if let Some((id, after)) = cut(rest, UUID) {
                let number = number(&mut self.ids, &id.to_lowercase());
                let name = if id == id.to_lowercase() { "id" } else { "ID" };
                let _ = write!(masked, "<{name}{number}>");
                rest = after;
            } else if let Some((_, after)) = cut(rest, INSTANT) {
                masked.push_str("<time>");
                rest = after;
            } else {
                masked.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        masked
    }

    /// Every second piece between quotes is a tag.
    fn tags(&mut self, value: &str) -> String {
        let pieces = value.split('"').enumerate().map(|(at, piece)| match at % 2 {
            0 => piece.to_owned(),
            _ => format!("<tag{}>", number(&mut self.tags, piece)),
        });
        pieces.collect::<Vec<_>>().join("\"")
    }
}

fn number(known: &mut Vec<String>, value: &str) -> usize {
    let found = known.iter().position(|known| known == value);
    found.unwrap_or_else(|| {
        known.push(value.to_owned());
        known.len() - 1
    }) + 1
}

/// `x` stands for a hexadecimal digit, `0` for a decimal one.
const UUID: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
const INSTANT: &str = "0000-00-00T00:00:00Z";

fn cut<'a>(text: &'a str, shape: &str) -> Option<(&'a str, &'a str)> {
    let (head, rest) = text.split_at_checked(shape.len())?;
    let fits = head.bytes().zip(shape.bytes()).all(|(byte, shape)| match shape {
        b'x' => byte.is_ascii_hexdigit(),
        b'0' => byte.is_ascii_digit(),
        _ => byte == shape,
    });
    fits.then_some((head, rest))
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 400;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "01a0c9f5-7a3a-7000-8000-00000000000a";
    const B: &str = "01a0c9f5-7a3a-7000-8000-00000000000b";

    #[test]
    fn ids_are_numbered_by_their_first_use_whatever_their_case() {
        let mut masks = Masks::default();
        assert_eq!(masks.text(&format!("x/{A}/{B}/{}", A.to_uppercase())), "x/<id1>/<id2>/<ID1>");
        assert_eq!(masks.text(&format!("{B}!")), "<id2>!");
    }

    #[test]
    fn an_instance_takes_no_number() {
        assert_eq!(Masks::default().text(&format!("urn:uuid:{A} {B}")), "<instance> <id1>");
    }

    #[test]
    fn only_whole_seconds_in_utc_are_a_time() {
        let mut masks = Masks::default();
        assert_eq!(masks.text("2023-08-14T15:30:45Z"), "<time>");
        assert_eq!(masks.text("2023-08-14T15:30:45.1Z"), "2023-08-14T15:30:45.1Z");
        assert_eq!(masks.text("é2023-08-14T15:30:45+01:00"), "é2023-08-14T15:30:45+01:00");
    }

    #[test]
    fn tags_keep_their_strength_and_their_identity() {
        assert_eq!(Masks::default().tags(r#"W/"x", "y", "x", *"#), r#"W/"<tag1>", "<tag2>", "<tag1>", *"#);
    }

    fn transcript(cases: &[(&str, u16)]) -> Transcript {
        let mut transcript = Transcript::default();
        for (case, status) in cases {
            let (interim, headers) = (vec![], vec![("date".to_owned(), "now".to_owned())]);
            let answer = Answer { interim, status: *status, reason: "So".into(), headers, body: "b\nc".into() };
            transcript.add(case, &[(Request::get("/x"), Some(answer))]);
        }
        transcript
    }

    #[test]
    fn a_difference_shows_the_case_and_both_lines() {
        let expected = transcript(&[("one", 200), ("two", 200)]);
        assert!(expected.differences(&expected).is_empty());
        assert!(transcript(&[("two", 200)]).differences(&expected).is_empty());
        let difference = transcript(&[("one", 200), ("two", 404)]).differences(&expected);
        assert_eq!(difference, ["two\n> GET /x\nhere:  < 404 So\nthere: < 200 So"]);
        let difference = transcript(&[("three", 200)]).differences(&expected);
        assert_eq!(difference, ["three\n\nhere:  > GET /x\nthere: (end)"]);
    }
}
