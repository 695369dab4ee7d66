//! What every store promises, one behaviour a function: for whoever writes a store.
//!
//! A store's own tests run all of it by one line, on a runtime of several threads, so that races are races, and whose time runs:
//!
//! ```
//! use std::sync::Arc;
//! use asyncflow_core::MemoryStore;
//!
//! # #[tokio::main]
//! # async fn main() {
//! asyncflow_testkit::store::all(async |clock| Arc::new(MemoryStore::with_clock(clock)) as _).await;
//! # }
//! ```
//!
//! Each behaviour is given a fresh store, on a clock that it turns by hand. A single one is run by calling it:
//! `claim::by_rank(&Subject::new(…))`.

#![allow(clippy::expect_used, reason = "a behaviour that is broken panics, as tests do")]

pub mod again;
pub mod batch;
pub mod claim;
pub mod counts;
pub mod due;
pub mod guard;
pub mod hint;
pub mod insert;
pub mod key;
pub mod limits;
pub mod list;
pub mod part;
pub mod patch;
pub mod rates;
pub mod read;
pub mod room;
pub mod settings;
mod subject;
pub mod turns;
pub mod unique;

use std::{future::Future, io::Write, pin::Pin, sync::Arc, thread, time::Duration};

use asyncflow_core::{ManualClock, Store};
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

pub use subject::{FLOW, LEASE, START, Subject};

/// Longer than any behaviour takes on any machine: a store that hangs is named too.
const PATIENCE: Duration = Duration::from_secs(120);

type Behaviour = fn(Subject) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! behaviours {
    ($($group:ident: $($name:ident)*;)*) => {
        &[$($((
            concat!(stringify!($group), "::", stringify!($name)),
            |subject| Box::pin(async move { $group::$name(&subject).await }),
        )),*),*]
    };
}

/// Every behaviour, by name.
const BEHAVIOURS: &[(&str, Behaviour)] = behaviours! {
    insert: as_given put_off any_bytes an_id_again twice_in_a_batch one_of_many_at_once apart_by_flow;
    key: finds_its_job other_body apart_by_owner_and_flow outlives_its_job ends ends_before_its_job from_first_use
        not_used_by_a_refusal one_of_many_at_once;
    room: no_more_than_may_wait waiting_is_scheduled_or_ready per_owner known_jobs_need_none exact_at_once
        exact_in_a_batch;
    claim: as_claimed by_rank first_in_first_out by_priority ready_anew just_ready_ones by_id just_known_versions
        a_version_named_twice at_most_jobs at_most_bytes just_its_flow one_of_a_thousand apart_at_once;
    limits: of_a_flow of_a_key of_its_key_or_else_its_owner until_it_ends freed_by_every_end others_go_on
        by_rank_among_keys by_rank_among_many_keys by_id asked_again within_a_batch changed at_most_jobs_and_bytes
        never_exceeded_at_once held_back_jobs_wait of_all_versions;
    rates: at_once_and_then_evenly nothing_held_back per_key together by_id just_what_started just_where_there_is_one
        apart_by_flow within_a_batch exact_at_once changed clock_set_back;
    turns: anothers_first_is_next one_after_the_other while_others_come priority_on_top put_off handed_back scheduled
        forgotten one_at_a_time held_back just_with_a_spacing apart_by_flow exact_at_once;
    unique: found_while_it_lives free_after_its_end replaced_while_it_waits not_replaced_while_it_runs in_its_room
        apart_by_owner_and_flow its_own_id_again beside_an_idempotency_key twice_in_a_batch one_of_many_at_once;
    settings: none_at_first as_given after_the_ones_before one_of_many_at_once;
    again: the_same_jobs without_those_that_left nothing_left marks_are_seen by_id at_once;
    guard: version version_past_a_heartbeat holder holder_of_one_claim holder_knows_marks still_due missing one_of_many_at_once;
    patch: every_field every_state extremes purge_not_too_young purge id_after_purge;
    due: longest_past_first every_state at_most_limit moves_with_the_record changes_nothing;
    part: kept result error dropped just_its_own;
    counts: every_transition oldest unknown_flow exact_at_once;
    list: page_by_page filtered without_forgotten;
    batch: empty inserts_then_changes_then_claims apart several_claims many;
    read: in_the_order_asked forgotten_too after_write check largest_part;
    hint: ready ready_again changed claimed marked freed settings;
};

/// Checks every behaviour, each against a fresh store that `make` makes on the clock that it is given.
///
/// # Panics
/// The store lacks some behaviours: they are named, after all have been tried.
pub async fn all(make: impl AsyncFn(Arc<ManualClock>) -> Arc<dyn Store>) {
    let mut broken = Vec::new();
    for (name, behaviour) in BEHAVIOURS {
        let clock = Arc::new(ManualClock::at(START));
        let store = make(clock.clone()).await;
        match check(*behaviour, Subject::new(store, clock), PATIENCE).await {
            Checked::Kept => {}
            Checked::Broken => broken.push(name.to_string()),
            Checked::Hangs => {
                // At once and past what captures a test's output: what goes round for ever may keep the test from its end.
                let _ = writeln!(std::io::stderr(), "the store hangs: {name}");
                broken.push(format!("{name} (hangs)"));
            }
        }
    }
    assert!(broken.is_empty(), "{} of {} behaviours are broken: {}", broken.len(), BEHAVIOURS.len(), broken.join(", "));
}

#[derive(Debug, PartialEq, Eq)]
enum Checked {
    Kept,
    Broken,
    Hangs,
}

/// Checks a behaviour on a thread of its own, which is left alone where it does not end: a store that goes round for ever without a pause cannot
/// be stopped.
async fn check(behaviour: Behaviour, subject: Subject, patience: Duration) -> Checked {
    let (done, ended) = oneshot::channel();
    let runtime = Handle::current();
    thread::spawn(move || {
        runtime.block_on(behaviour(subject));
        let _ = done.send(());
    });
    match timeout(patience, ended).await {
        Ok(Ok(())) => Checked::Kept,
        Ok(Err(_)) => Checked::Broken,
        Err(_) => Checked::Hangs,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use asyncflow_core::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_store_that_never_comes_back_is_told_from_one_that_is_wrong() {
        static STOP: AtomicBool = AtomicBool::new(false);
        let behaviours: [Behaviour; 4] = [
            |_| Box::pin(async {}),
            |_| Box::pin(async { panic!("it is wrong") }),
            |_| Box::pin(std::future::pending()),
            |_| {
                Box::pin(async {
                    while !STOP.load(Ordering::SeqCst) {
                        thread::yield_now();
                    }
                })
            },
        ];
        let mut found = Vec::new();
        for (behaviour, patience) in behaviours.into_iter().zip([60_000, 60_000, 10, 10]) {
            let clock = Arc::new(ManualClock::at(START));
            let subject = Subject::new(Arc::new(MemoryStore::with_clock(clock.clone())), clock);
            found.push(check(behaviour, subject, Duration::from_millis(patience)).await);
        }
        STOP.store(true, Ordering::SeqCst);
        assert_eq!(found, [Checked::Kept, Checked::Broken, Checked::Hangs, Checked::Hangs]);
    }
}
