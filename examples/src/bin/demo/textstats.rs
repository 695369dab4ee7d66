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
/// Bytes of requests that are received and worked on at once: two of the longest. A body that grows takes up to three times its size.
pub(crate) const MOST_AT_ONCE: usize = 2 * MOST_BODY;
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
            return Err(DecodeError::TooLarge { limit: MOST_TEXT });
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

#[cfg(test)]
mod tests {
    use asyncflow_core::store::ContentType;

    use super::*;

    fn stats(text: &str) -> TextStats {
        count(text, |_| Ok::<_, Stopped>(())).unwrap()
    }

    fn pairs(stats: &TextStats) -> Vec<(&str, usize)> {
        stats.top.iter().map(|WordCount { word, count }| (word.as_str(), *count)).collect()
    }

    #[test]
    fn words_are_alike_whatever_their_case_and_ties_go_by_letters() {
        let stats = stats("The cat\nthe Dog THE end. dog\n");
        assert_eq!((stats.lines, stats.words, stats.unique_words), (2, 7, 4));
        assert_eq!(pairs(&stats), [("the", 3), ("dog", 2), ("cat", 1), ("end.", 1)]);
        assert_eq!(stats.longest_word, "end.");
    }

    #[test]
    fn nothing_is_in_nothing() {
        for (text, lines) in [("", 0), ("\n", 1), (" \t\r\n\u{a0}\u{2003}\n", 2)] {
            let TextStats { top, .. } = &stats(text);
            assert!(top.is_empty());
            let stats = stats(text);
            assert_eq!((stats.lines, stats.words, stats.unique_words, &*stats.longest_word), (lines, 0, 0, ""));
        }
    }

    #[test]
    fn words_end_at_unicode_white_space_alone() {
        // The information separators are no white space to Unicode, the next line is.
        let stats = stats("a\u{85}b\u{3000}c\u{2028}d\u{1c}e\u{200b}f");
        assert_eq!((stats.words, stats.longest_word.as_str()), (4, "d\u{1c}e\u{200b}f"));
    }

    #[test]
    fn the_longest_has_most_characters_and_is_the_first_of_equals_as_it_was_written() {
        assert_eq!(stats("\u{1f600}\u{1f600} Äbc xyz").longest_word, "Äbc");
        assert_eq!(stats("ΌΔΟΣ odos").longest_word, "ΌΔΟΣ");
    }

    #[test]
    fn lower_case_is_that_of_whole_words() {
        assert_eq!(pairs(&stats("ΌΔΟΣ όδος İ")), [("όδος", 2), ("i\u{307}", 1)]);
    }

    #[test]
    fn twenty_words_are_named() {
        let text: Vec<String> = (0..100).flat_map(|n| vec![format!("w{n:02}"); 1 + n / 10]).collect();
        let stats = stats(&text.join(" "));
        let expected: Vec<_> = (90..100).map(|n| (n, 10)).chain((80..90).map(|n| (n, 9))).collect();
        let named: Vec<_> =
            pairs(&stats).into_iter().map(|(word, count)| (word[1..].parse().unwrap(), count)).collect();
        assert_eq!(named, expected);
        assert_eq!(stats.unique_words, 100);
    }

    #[test]
    fn it_says_how_far_it_is_and_stops_when_told_to() {
        let text = "word ".repeat(MIB / 5);
        let mut steps = Vec::new();
        count(&text, |done| {
            steps.push(done);
            Ok::<_, Stopped>(())
        })
        .unwrap();
        assert_eq!(steps.len(), 5);
        assert!(steps.is_sorted() && steps.first() == Some(&0) && steps.last() == Some(&text.len()));
        let mut left = 2;
        let stopped = count(&text, |_| {
            left -= 1;
            if left == 0 { Err(Stopped) } else { Ok(()) }
        });
        assert!(stopped.is_err() && left == 0);
    }

    #[test]
    fn a_text_is_json_or_plain_and_not_too_long() {
        let read = |content_type: &str, bytes: Vec<u8>| {
            Document::from_payload(&Part { content_type: ContentType::from(content_type), bytes: bytes.into() })
                .map(|Document(text)| text)
        };
        assert_eq!(read("application/json", br#"{"text":"a\nb"}"#.to_vec()).unwrap(), "a\nb");
        assert_eq!(read("text/plain", b"{\"text\"".to_vec()).unwrap(), "{\"text\"");
        assert_eq!(read("text/plain; charset=utf-8", Vec::new()).unwrap(), "");
        assert_eq!(read("text/plain", vec![b'a'; MOST_TEXT]).unwrap().len(), MOST_TEXT);
        assert!(matches!(read("text/plain", b"\xff".to_vec()), Err(DecodeError::Malformed(_))));
        assert!(matches!(read("application/json", b"{}".to_vec()), Err(DecodeError::Mismatch { .. })));
        assert!(matches!(read("text/plain", vec![b'a'; MOST_TEXT + 1]), Err(DecodeError::TooLarge { .. })));
    }
}
