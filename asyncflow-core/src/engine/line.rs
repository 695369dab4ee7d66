//! One flow on a node: how it is run, and how much of it the node has in hand.

use std::{fmt, sync::Arc};

use super::settings::Live;
use crate::{
    flow::AnyFlow,
    policy::{FlowOptions, Policy},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    worker::Slots,
};

/// One flow on this node.
pub(crate) struct Line {
    pub(crate) name: Arc<str>,
    pub(crate) flow: Arc<dyn AnyFlow>,
    pub(crate) options: FlowOptions,
    pub(crate) policy: Arc<Policy>,
    pub(crate) versions: Arc<[u16]>,
    /// What was set for it while nodes run.
    pub(crate) live: Live,
    pub(crate) slots: Slots,
    /// There may be ready jobs that no slot was free for.
    pub(crate) backlog: AtomicBool,
    bytes: Bytes,
}

/// Bytes of requests.
#[derive(Default)]
struct Bytes {
    /// Those that are being received.
    receiving: AtomicUsize,
    /// Those of jobs that were taken up, until their handlers have ended.
    working: AtomicUsize,
    /// Ready jobs were left for want of bytes.
    short: AtomicBool,
}

impl Line {
    pub(super) fn new(name: Arc<str>, flow: Arc<dyn AnyFlow>, options: FlowOptions) -> Self {
        Self {
            policy: options.policy(),
            versions: options.versions(),
            live: Live::new(&options),
            slots: Slots::new(options.concurrency.get()),
            // What waited before this node came is found at once.
            backlog: AtomicBool::new(true),
            bytes: Bytes::default(),
            name,
            flow,
            options,
        }
    }

    /// Others may wait for a slot.
    pub(crate) fn others_may_wait(&self) -> bool {
        self.live.is_limited() || self.backlog.load(Ordering::SeqCst)
    }

    /// Bytes of requests that may still be taken up.
    pub(crate) fn bytes_free(&self) -> usize {
        let Bytes { receiving, working, .. } = &self.bytes;
        let taken = receiving.load(Ordering::Relaxed).saturating_add(working.load(Ordering::Relaxed));
        self.options.max_bytes.saturating_sub(taken)
    }

    /// Whether one more job may be taken up, however large: not once those that run have all the bytes. Claims that are on their way at one time
    /// do not know of each other. Clients that take long to send never keep all jobs waiting.
    pub(crate) fn has_bytes(&self) -> bool {
        self.bytes.working.load(Ordering::SeqCst) < self.options.max_bytes
    }

    /// Ready jobs were left for want of bytes: they are looked for when some come free.
    pub(crate) fn falls_short(&self) {
        self.bytes.short.store(true, Ordering::SeqCst);
    }

    /// Whether ready jobs were left for want of bytes since this was asked last.
    pub(crate) fn was_short(&self) -> bool {
        // The usual answer costs no write.
        self.bytes.short.load(Ordering::SeqCst) && self.bytes.short.swap(false, Ordering::SeqCst)
    }

    /// Room to receive so many bytes, if there is so much.
    pub(super) fn receive(self: &Arc<Self>, bytes: usize) -> Option<Receiving> {
        let working = self.bytes.working.load(Ordering::Relaxed);
        let before = self.bytes.receiving.fetch_add(bytes, Ordering::Relaxed);
        let receiving = Receiving { line: self.clone(), bytes };
        let all = before.saturating_add(working).saturating_add(bytes);
        (all <= self.options.max_bytes).then_some(receiving)
    }

    /// A job of so many bytes is taken up.
    pub(crate) fn load(self: &Arc<Self>, bytes: usize) -> Load {
        self.bytes.working.fetch_add(bytes, Ordering::Relaxed);
        Load { line: self.clone(), bytes }
    }
}

/// Room for a request that is being received.
pub struct Receiving {
    line: Arc<Line>,
    bytes: usize,
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.line.bytes.receiving.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// Bytes of a request that is worked on, from its claim on.
pub(crate) struct Load {
    line: Arc<Line>,
    bytes: usize,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.line.bytes.working.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}
