//! How many jobs of a flow a node runs at once.

use std::{pin::pin, sync::Arc};

use crate::{
    engine::{Line, Node},
    sync::{
        Notify,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Places for running jobs: taken before a claim is sent, given back when the body has ended.
#[derive(Debug)]
pub(crate) struct Slots {
    free: AtomicUsize,
    given: Notify,
}

impl Slots {
    pub(crate) fn new(free: usize) -> Self {
        Self { free: AtomicUsize::new(free), given: Notify::new() }
    }

    /// Takes at most so many; says how many.
    fn take(&self, most: usize) -> usize {
        let mut free = self.free.load(Ordering::SeqCst);
        loop {
            let taken = free.min(most);
            if taken == 0 {
                return 0;
            }
            match self.free.compare_exchange_weak(free, free - taken, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return taken,
                Err(now) => free = now,
            }
        }
    }

    fn give(&self) {
        self.free.fetch_add(1, Ordering::SeqCst);
        self.given.notify_one();
    }

    pub(crate) fn free(&self) -> usize {
        self.free.load(Ordering::SeqCst)
    }
}

/// A place that is taken, until it is dropped.
pub(crate) struct Slot {
    node: Arc<Node>,
    line: Arc<Line>,
}

impl Slot {
    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.line
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.line.slots.give();
        // A submit that found no slot has set the flag and then looked for a slot; this looks for the flag after giving one. One of the
        // two sees the other.
        if self.line.backlog.load(Ordering::SeqCst) {
            self.node.word.notify_one();
        }
        self.node.crew.slot_given();
    }
}

impl Node {
    /// A free slot, if there is one.
    pub(crate) fn slot(self: &Arc<Self>, line: &Arc<Line>) -> Option<Slot> {
        (line.slots.take(1) > 0).then(|| self.take_slot(line))
    }

    /// Free slots, at most so many.
    pub(crate) fn slots(self: &Arc<Self>, line: &Arc<Line>, most: usize) -> Vec<Slot> {
        (0..line.slots.take(most)).map(|_| self.take_slot(line)).collect()
    }

    /// Waits for a free slot, and for bytes: they come free before a slot does.
    pub(crate) async fn next_slot(self: &Arc<Self>, line: &Arc<Line>) -> Slot {
        loop {
            // Before the look: of two slots that are given now, each wakes one who waits.
            let mut given = pin!(line.slots.given.notified());
            given.as_mut().enable();
            if let Some(slot) = Some(line).filter(|line| line.has_bytes()).and_then(|line| self.slot(line)) {
                return slot;
            }
            given.await;
        }
    }

    fn take_slot(self: &Arc<Self>, line: &Arc<Line>) -> Slot {
        self.crew.slot_taken();
        Slot { node: self.clone(), line: line.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let slots = Slots::new(3);
        assert_eq!([slots.take(2), slots.take(2), slots.take(2)], [2, 1, 0]);
        slots.give();
        assert_eq!(slots.free(), 1);
    }
}
