//! Handlers: when they start, and when their bodies have really ended.

use asyncflow_core::{JobId, Mark, Token};

use super::{Judge, LIMITS, LONGEST_LEASE, NO_WAY_BACK, ONE_OUTCOME, Told};

/// One run of a handler.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) case: usize,
    pub(super) life: usize,
    flow: usize,
    pub(super) token: Option<Token>,
    pub(super) ended: Option<Ended>,
    /// It cannot be dropped.
    stays: bool,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Ended {
    Succeeded,
    Failed,
    Snoozed,
    /// Dropped, or it panicked.
    Dropped,
}

impl Judge {
    /// A handler starts. Answers which run this is, and how many the job had before.
    pub(in super::super) fn began(&mut self, life: usize, job: JobId, attempt: u32, stays: bool) -> (usize, usize) {
        self.counts.runs += 1;
        let (node, run) = (self.lives[life].node, self.runs.len());
        self.story.of(job, format_args!("node {node} starts its handler, run {run}"));
        let Some(index) = self.by_id.get(&job).copied() else {
            self.rule(ONE_OUTCOME, None, format_args!("the handler of a job starts that was never inserted: {job}"));
            return (run, 0);
        };
        // A late answer of one claim may be taken up after that of the next: which attempt it is tells them apart.
        let mine = |told: &&Told| told.life == life && told.attempt == attempt;
        let told = self.cases[index].told.iter().rev().find(mine).copied();
        let token = told.map(|told| told.token);
        match told {
            None => self.rule(ONE_OUTCOME, Some(index), format_args!("node {node} starts what it was never given")),
            Some(Told { mark, .. }) if mark > Mark::None => {
                self.rule(NO_WAY_BACK, Some(index), format_args!("a handler starts that is to be stopped ({mark:?})"));
            }
            Some(_) => {}
        }
        self.beside(index, token);
        let flow = self.plans.iter().position(|plan| *plan.name == *self.cases[index].record.job.flow).unwrap_or(0);
        let before = self.cases[index].runs.len();
        self.cases[index].runs.push(run);
        self.runs.push(Run { case: index, life, flow, token, ended: None, stays });
        self.at_work.insert(run);
        self.lives[life].bodies[flow] += 1;
        let (bodies, most) = (self.lives[life].bodies[flow], self.plans[flow].concurrency());
        if bodies > most {
            self.rule(LIMITS, Some(index), format_args!("node {node} runs {bodies} of {most}"));
        }
        self.fleet(flow, index);
        (run, before)
    }

    /// No other run of the job may be at work, unless its lease was taken away.
    fn beside(&mut self, index: usize, token: Option<Token>) {
        let case = &self.cases[index];
        let lost = |token: Option<Token>| token.is_some_and(|token| case.lost.contains(&token));
        let other = case.runs.iter().copied().find(|run| self.is_at_work(*run) && !lost(self.runs[*run].token));
        let (ended, mine) = (case.record.state.is_ended(), lost(token));
        if let Some(other) = other.filter(|_| !mine) {
            self.rule(ONE_OUTCOME, Some(index), format_args!("run {other} is at work, and nobody took its lease"));
        } else if ended && !mine {
            self.rule(NO_WAY_BACK, Some(index), format_args!("a handler starts though its job has ended"));
        }
    }

    /// No more may be at work in the fleet than its limit says, but for what stands still or cannot be stopped; or whose lease was over
    /// sooner than its worker could know, as the store's clock was set forward.
    fn fleet(&mut self, flow: usize, index: usize) {
        let Some(most) = self.plans[flow].most_running() else { return };
        let jumped = self.jumped.is_some_and(|at| self.now < at + LONGEST_LEASE);
        let counted = |run: &&usize| {
            let run = &self.runs[**run];
            let lost = run.token.is_some_and(|token| self.cases[run.case].lost.contains(&token));
            let life = &self.lives[run.life];
            run.flow == flow && !life.is_gone() && !(lost && (run.stays || jumped || life.frozen.since(0)))
        };
        let at_work = self.at_work.iter().filter(counted).count() as u64;
        if at_work > most {
            self.rule(LIMITS, Some(index), format_args!("{at_work} are at work in the fleet, of {most}"));
        }
    }

    fn is_at_work(&self, run: usize) -> bool {
        let run = &self.runs[run];
        run.ended.is_none() && !self.lives[run.life].is_gone()
    }

    /// A body has ended.
    pub(in super::super) fn ended(&mut self, run: usize, how: Ended) {
        // A run of a job that was never inserted is none.
        let Some(ended) = self.runs.get_mut(run) else { return };
        ended.ended = Some(how);
        self.at_work.remove(&run);
        let (case, life, flow) = (ended.case, ended.life, ended.flow);
        self.lives[life].bodies[flow] -= 1;
        let (job, node) = (self.cases[case].record.job.id, self.lives[life].node);
        self.story.of(job, format_args!("run {run} on node {node} ends: {how:?}"));
    }

    /// A handler says what came of a body that has ended.
    pub(in super::super) fn says(&mut self, run: usize, how: Ended) {
        if let Some(run) = self.runs.get_mut(run) {
            run.ended = Some(how);
        }
    }

    /// A result was written: whose it is, and whether it may be.
    pub(super) fn outcome(&mut self, index: usize, run: Option<usize>, token: Option<Token>) {
        let known = run.and_then(|run| self.runs.get(run));
        let right =
            known.is_some_and(|run| run.case == index && run.token == token && run.ended == Some(Ended::Succeeded));
        if !right {
            self.rule(
                ONE_OUTCOME,
                Some(index),
                format_args!("the result of run {run:?} is written: it does not hold the job"),
            );
        }
        self.cases[index].outcome = run;
    }

    /// A failure was written by whoever holds the job under this token.
    pub(super) fn failure(&mut self, index: usize, token: Option<Token>) {
        let succeeded = |run: &&usize| {
            let run = &self.runs[**run];
            run.token == token && token.is_some() && run.ended == Some(Ended::Succeeded)
        };
        if let Some(run) = self.cases[index].runs.iter().rev().find(succeeded).copied() {
            self.rule(ONE_OUTCOME, Some(index), format_args!("run {run} succeeded, and its job failed"));
        }
    }

    /// Whether a body is at work under this token, and then whether it cannot be dropped.
    pub(super) fn works_under(&self, index: usize, token: Option<Token>) -> Option<bool> {
        let at_work = |run: &&usize| token.is_some() && self.runs[**run].token == token && self.is_at_work(**run);
        self.cases[index].runs.iter().find(at_work).map(|run| self.runs[*run].stays)
    }
}
