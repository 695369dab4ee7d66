//! What becomes of nodes, as far as it excuses something.

use super::Judge;

/// One start of a node, until it is gone.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) node: usize,
    /// Since when it stands still, and when it last did until.
    pub(super) frozen: Spell,
    /// The same for being cut off from the store.
    cut: Spell,
    pub(super) gone: Option<Gone>,
    /// Bodies at work, by flow.
    pub(super) bodies: Vec<usize>,
}

/// How a node went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Gone {
    /// All at once.
    Killed,
    /// It drained; whether it had to leave something behind.
    Drained {
        /// Something was cut off.
        cut_off: bool,
    },
}

/// Something that lasts for a while, more than once.
#[derive(Debug, Default)]
pub(super) struct Spell {
    lasts: bool,
    until: Option<u64>,
}

impl Spell {
    /// Whether it lasted at some time since then.
    pub(super) fn since(&self, time: u64) -> bool {
        self.lasts || self.until.is_some_and(|until| until >= time)
    }

    fn set(&mut self, lasts: bool, now: u64) {
        self.lasts = lasts;
        if !lasts {
            self.until = Some(now);
        }
    }
}

impl Life {
    /// Whether it could not keep its leases at some time since then.
    pub(super) fn disturbed_since(&self, time: u64) -> bool {
        self.frozen.since(time) || self.cut.since(time)
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.is_some()
    }
}

impl Judge {
    /// A node starts.
    pub(in super::super) fn starts(&mut self, node: usize) -> usize {
        let life = self.lives.len();
        self.story.tell(format_args!("node {node} starts, for the {life}th life"));
        self.lives.push(Life {
            node,
            frozen: Spell::default(),
            cut: Spell::default(),
            gone: None,
            bodies: vec![0; self.plans.len()],
        });
        life
    }

    /// A node stands still, or goes on.
    pub(in super::super) fn frozen(&mut self, life: usize, frozen: bool) {
        let node = self.lives[life].node;
        self.story.tell(format_args!("node {node} {}", if frozen { "stands still" } else { "goes on" }));
        self.lives[life].frozen.set(frozen, self.now);
    }

    /// A node is cut off from the store, or reaches it again.
    pub(in super::super) fn cut(&mut self, life: usize, cut: bool) {
        let node = self.lives[life].node;
        self.story.tell(format_args!("node {node} {}", if cut { "is cut off" } else { "reaches the store again" }));
        self.lives[life].cut.set(cut, self.now);
    }

    /// A node is gone.
    pub(in super::super) fn gone(&mut self, life: usize, how: Gone) {
        let node = self.lives[life].node;
        self.story.tell(format_args!("node {node} is gone: {how:?}"));
        self.lives[life].gone = Some(how);
    }
}
