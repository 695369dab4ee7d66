//! Hints between nodes: by `NOTIFY`, apart from the commits, gathered on one connection a node.

mod letter;
mod line;

use std::sync::{Arc, Mutex, PoisonError};

use asyncflow_core::{JobKey, store::Hints};
use tokio::{runtime::Handle, sync::Notify, task::AbortHandle};
use tokio_postgres::Config;

use self::{letter::Letter, line::Line};
use crate::{floors::Floors, names::Names, row, schema::Schema};

/// Tells this node's subscribers at once, and other nodes soon.
pub(crate) struct Post {
    outbox: Arc<Outbox>,
    /// The task that listens and sends, if there is one.
    line: Option<AbortHandle>,
}

struct Outbox {
    hints: Hints,
    floors: Floors,
    letter: Mutex<Letter>,
    wake: Notify,
    /// Until when readers of other nodes wait for news of changes.
    readers_elsewhere: Mutex<Option<tokio::time::Instant>>,
}

impl Post {
    /// Hints stay within this node.
    pub(crate) fn closed() -> Self {
        Self { outbox: Arc::new(Outbox::new(false)), line: None }
    }

    /// Hints come from and go to other nodes, by a task of this runtime.
    pub(crate) fn open(config: Config, schema: &Schema, names: Arc<Names>, runtime: &Handle) -> Self {
        let outbox = Arc::new(Outbox::new(true));
        let line = Line::new(config, schema, names, outbox.clone());
        let task = runtime.spawn(line.keep());
        Self { outbox, line: Some(task.abort_handle()) }
    }

    pub(crate) fn hints(&self) -> &Hints {
        &self.outbox.hints
    }

    /// Where this node's claims begin to look.
    pub(crate) fn floors(&self) -> &Floors {
        &self.outbox.floors
    }

    /// A flow has ready jobs, the first of which has this rank.
    pub(crate) fn ready(&self, flow: &Arc<str>, number: i32, rank: i64) {
        self.outbox.floors.lower(number, rank);
        self.outbox.hints.ready(flow);
        self.send(|letter| letter.ready(number, rank));
    }

    /// Readers may see a job changed.
    pub(crate) fn changed(&self, job: &JobKey, flow: i32) {
        self.outbox.hints.changed(job);
        if self.line.is_some() && self.outbox.are_readers_elsewhere() {
            self.send(|letter| letter.changed(flow, row::uuid(job.id)));
        }
    }

    /// A job was asked to stop while it runs.
    pub(crate) fn marked(&self, job: &JobKey, flow: i32) {
        self.outbox.hints.marked(job);
        self.send(|letter| letter.marked(flow, row::uuid(job.id)));
    }

    /// Anything may have changed.
    pub(crate) fn anything(&self) {
        self.outbox.hints.anything();
        self.send(Letter::anything);
    }

    fn send(&self, add: impl FnOnce(&mut Letter)) {
        if self.line.is_some() {
            add(&mut self.outbox.letter.lock().unwrap_or_else(PoisonError::into_inner));
            self.outbox.wake.notify_one();
        }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.abort();
        }
    }
}

impl Outbox {
    fn new(hears_of_others: bool) -> Self {
        Self {
            hints: Hints::default(),
            floors: Floors::new(hears_of_others),
            letter: Mutex::default(),
            wake: Notify::new(),
            readers_elsewhere: Mutex::default(),
        }
    }

    /// What others told was not heard.
    fn missed(&self) {
        self.floors.forget();
        self.hints.anything();
    }

    fn are_readers_elsewhere(&self) -> bool {
        let until = *self.readers_elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| tokio::time::Instant::now() < until)
    }

    fn take(&self) -> Letter {
        std::mem::take(&mut self.letter.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::silent::Silent;

    #[tokio::test]
    async fn a_connection_that_ended_without_a_word_is_made_anew() {
        // It answers that it is listened to, and nothing from then on.
        let (silent, config) = Silent::start(1).await;
        let schema = Schema::new("any").unwrap();
        let post = Post::open(config, &schema, Arc::new(Names::new(&schema)), &Handle::current());
        assert!(post.hints().subscribe().next().await.anything);
        tokio::time::pause();
        let noticed = async {
            // Time passes at once, as nothing else is to be done.
            while silent.let_in() < 2 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(3600), noticed).await.unwrap();
    }
}
