//! Counts what is in a text: real work, on threads for that, with progress.

use std::{cmp::Reverse, collections::HashMap};

use asyncflow_core::{DecodeError, FromPayload, JobContext, Progress, store::Part};
use serde::{Deserialize, Serialize};

use crate::flows::Stopped;

const MIB: usize = 1024 * 1024;
/// The longest text, in bytes.
const MOST_TEXT: usize = 20 * MIB;
/// The longest request: as JSON a text takes more room, for its escapes.
pub(crate) const MOST_BODY: usize = 24 * MIB;
/// Bytes of text between two looks at whether to stop.
const STEP: usize = MIB / 4;
/// How many of the most frequent words are named.
const TOP: usize = 20;

/// A text: the member `text` of a JSON object, or all of a plain text.
pub(crate) struct Document(String);

impl FromPayload for Document {
    fn accepts() -> &'static [&'static str] {
        &["application/json", "text/plain"]
    }

    fn from_payload(part: &Part) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Json {
            text: String,
        }
        let text = if part.content_type.essence() == "text/plain" {
            let text = str::from_utf8(&part.bytes);
            text.map_err(|error| DecodeError::Malformed(format!("the text is not UTF-8: {error}")))?.to_owned()
        } else {
            Json::from_payload(part)?.text
        };
        if text.len() > MOST_TEXT {
            return Err(DecodeError::mismatch(format!("the text has {} bytes, and may have {MOST_TEXT}", text.len())));
        }
        Ok(Self(text))
    }
}

/// What is in a text.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct TextStats {
    lines: usize,
    words: usize,
    unique_words: usize,
    top: Vec<WordCount>,
    longest_word: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct WordCount {
    word: String,
    count: usize,
}

/// The flow.
pub(crate) fn textstats(Document(text): Document, job: JobContext) -> Result<TextStats, Stopped> {
    count(&text, |done| {
        job.progress(Progress::new("Counting words").percentage((done * 100 / text.len().max(1)) as u32));
        if job.is_cancelled() { Err(Stopped) } else { Ok(()) }
    })
}

/// Counts lines by their ends, and words by Unicode's white space; words are alike whatever their case. `on_step` is told now and then how
/// many bytes are done, and may stop it.
///
/// A text of ever new words takes some sixteen times its size for a moment; others far less.
fn count<E>(text: &str, mut on_step: impl FnMut(usize) -> Result<(), E>) -> Result<TextStats, E> {
    let lower = text.to_lowercase();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let (mut words, mut longest, mut longest_chars, mut next_step) = (0, "", 0, 0);
    for (word, lower) in text.split_whitespace().zip(lower.split_whitespace()) {
        let done = word.as_ptr().addr() - text.as_ptr().addr();
        if done >= next_step {
            on_step(done)?;
            next_step = done + STEP;
        }
        words += 1;
        *counts.entry(lower).or_default() += 1;
        // A word has at least as many bytes as characters.
        if word.len() > longest_chars {
            let chars = word.chars().count();
            if chars > longest_chars {
                (longest, longest_chars) = (word, chars);
            }
        }
    }
    on_step(text.len())?;
    Ok(TextStats {
        lines: text.bytes().filter(|&byte| byte == b'\n').count(),
        words,
        unique_words: counts.len(),
        top: top(counts),
        longest_word: longest.to_owned(),
    })
}

/// The most frequent words, of equals in the order of their letters.
fn top(counts: HashMap<&str, usize>) -> Vec<WordCount> {
    let mut top: Vec<(Reverse<usize>, &str)> = Vec::new();
    for (word, count) in counts {
        let entry = (Reverse(count), word);
        let place = top.partition_point(|other| *other < entry);
        if place < TOP {
            top.insert(place, entry);
            top.truncate(TOP);
        }
    }
    top.into_iter().map(|(Reverse(count), word)| WordCount { word: word.to_owned(), count }).collect()
}
