//! What becomes of the store's hints.

use std::{sync::Arc, time::Duration};

use super::node::Node;
use crate::{
    flow::{Running, Stop},
    store::Hint,
};

/// News that comes within this time of other news is heard together with what follows it.
const GATHERING: Duration = Duration::from_millis(2);
/// Records that are read at a time.
const PAGE: usize = 500;

/// Hears news for as long as the node lives.
pub(super) async fn listen(node: Arc<Node>) {
    loop {
        let news = node.waiting.hints.next().await;
        node.heard(&news).await;
        tokio::time::sleep(GATHERING).await;
    }
}

impl Node {
    async fn heard(&self, news: &Hint) {
        for line in &self.flows {
            if (news.anything || news.ready.contains(&line.name)) && self.works(line) {
                self.backlog(line);
            }
        }
        if news.anything {
            self.waiting.wake_all();
        } else {
            news.changed.iter().for_each(|job| self.waiting.wake(job));
        }
        let running = if news.anything {
            self.crew.all()
        } else {
            news.marked.iter().filter_map(|job| self.crew.get(job.id)).collect()
        };
        self.look_at(&running).await;
    }

    /// Reads what was asked of jobs that run here. What cannot be read now is learnt by the next heartbeat.
    async fn look_at(&self, running: &[Arc<Running>]) {
        for page in running.chunks(PAGE) {
            let jobs: Vec<_> = page.iter().map(|running| running.record().job.clone()).collect();
            let Ok(records) = self.look(&jobs).await else { return };
            for (running, record) in page.iter().zip(records) {
                match record {
                    Some(Some(record)) => running.heard(record),
                    Some(None) => running.tell(Stop::Lost),
                    None => {}
                }
            }
        }
    }
}
