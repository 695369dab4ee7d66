//! The scripts that run in the server, called by their names: it knows them until it is started anew, and is then told again.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use asyncflow_core::store::StoreError;
use redis::{Cmd, Pipeline, ServerErrorKind, Value, cmd};

use crate::{failure, link::Link};

#[derive(Clone, Copy)]
pub(crate) enum Script {
    Write,
    Due,
    Counts,
    Settings,
}

const WRITE: &[&str] = &[
    include_str!("../lua/write/1_call.lua"),
    include_str!("../lua/write/2_plain.lua"),
    include_str!("../lua/write/3_records.lua"),
    include_str!("../lua/write/4_pending.lua"),
    include_str!("../lua/write/5_lines.lua"),
    include_str!("../lua/write/6_change.lua"),
    include_str!("../lua/write/7_insert.lua"),
    include_str!("../lua/write/8_limits.lua"),
    include_str!("../lua/write/9_lines.lua"),
    include_str!("../lua/write/10_claim.lua"),
    include_str!("../lua/write/11_batch.lua"),
    include_str!("../lua/write/12_write.lua"),
];

const WORDS: &str = include_str!("../lua/write/words.txt");

/// The scripts, in the order of [`Script`].
fn sources() -> [String; 4] {
    let plain =
        [include_str!("../lua/due.lua"), include_str!("../lua/counts.lua"), include_str!("../lua/settings.lua")];
    let [due, counts, settings] = plain.map(str::to_owned);
    [with_words(WRITE, WORDS), due, counts, settings]
}

/// What writes a batch: the short way alone, which answers nothing where it cannot be gone, and the long way alone.
#[cfg(test)]
pub(crate) fn ways() -> [String; 2] {
    let (call, rest) = WRITE.split_at(1);
    [with_words(&WRITE[..2], WORDS) + "return false", with_words(&[call, &rest[1..]].concat(), WORDS)]
}

/// Parts of a script as one, without comments, and with what its words stand for in their places.
fn with_words(parts: &[&str], words: &str) -> String {
    let words: HashMap<_, _> = words.lines().filter_map(|line| line.split_once(" = ")).collect();
    let mut script = String::new();
    for line in parts.iter().flat_map(|part| part.lines()).filter(|line| !line.trim_start().starts_with("--")) {
        let is_part_of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let mut rest = line;
        while !rest.is_empty() {
            let end = rest.find(|letter| !is_part_of_word(letter)).unwrap_or(rest.len());
            let next = rest[end..].chars().next().map_or(end, |letter| end + letter.len_utf8());
            script.push_str(words.get(&rest[..end]).unwrap_or(&&rest[..end]));
            script.push_str(&rest[end..next]);
            rest = &rest[next..];
        }
        script.push('\n');
    }
    script
}

/// What the server calls the scripts: the same in every server.
#[derive(Default)]
pub(crate) struct Scripts(OnceLock<[Arc<str>; 4]>);

impl Scripts {
    /// Tells the server the scripts.
    pub(crate) async fn load(&self, link: &Link) -> Result<(), StoreError> {
        let mut load = Pipeline::new();
        for source in sources() {
            load.cmd("SCRIPT").arg("LOAD").arg(source);
        }
        let mut names = Vec::new();
        for answer in link.ask(&load).await? {
            names.push(match answer {
                Value::BulkString(name) => Arc::from(String::from_utf8_lossy(&name)),
                Value::ServerError(error) => return Err(failure::of_answer(&error, link.server())),
                _ => return Err(failure::odd(link.server())),
            });
        }
        let names = names.try_into().map_err(|_| failure::odd(link.server()))?;
        // Known already, they are the same.
        let _ = self.0.set(names);
        Ok(())
    }

    /// A call of a script that concerns one key, to which its arguments are added.
    pub(crate) fn call(&self, script: Script, key: &str) -> Cmd {
        let mut call = cmd("EVALSHA");
        let name = self.0.get().map_or("", |names| &names[script as usize]);
        call.arg(name).arg(1).arg(key);
        call
    }

    /// Sends commands; those that call scripts which the server has forgotten are sent again, once it knows them.
    pub(crate) async fn ask(&self, link: &Link, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let mut answers = link.ask(commands).await?;
        let forgotten =
            |answer: &Value| matches!(answer, Value::ServerError(e) if e.kind() == Some(ServerErrorKind::NoScript));
        let failed: Vec<_> = (0..answers.len()).filter(|n| forgotten(&answers[*n])).collect();
        if failed.is_empty() {
            return Ok(answers);
        }
        self.load(link).await?;
        let mut again = Pipeline::with_capacity(failed.len());
        for (n, command) in commands.cmd_iter().enumerate() {
            if failed.contains(&n) {
                again.add_command(command.clone());
            }
        }
        for (n, answer) in failed.into_iter().zip(link.ask(&again).await?) {
            answers[n] = answer;
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_put_in_place_and_nothing_else() {
        let words = "# ONE = 7 is what it is\nONE = 1\nONE_MORE = 'two'\n";
        let parts = ["-- ONE\nlocal a = b[ONE_MORE] -- é", "return ONES, ONE"];
        assert_eq!(with_words(&parts, words), "local a = b['two'] -- é\nreturn ONES, 1\n");
        let [write, ..] = sources();
        assert!(!write.contains("SCHEDULED") && write.len() < 40_000, "{}", write.len());
    }
}
