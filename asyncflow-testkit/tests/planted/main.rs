//! Mistakes that were made on purpose: a simulation finds each of them, within a bounded number of seeds. What finds none of them proves
//! nothing.

mod store;

use std::sync::Arc;

use asyncflow_core::{Attempt, Handler, JobContext, Wrap};
use asyncflow_testkit::simulation::{Failure, Simulation};

use store::{Bug, Planted, Shared};

/// Seeds within which each is found.
const SEEDS: u64 = 300;
const CLIENTS: usize = 120;

/// The first seed that breaks a rule, and how.
fn first(simulation: impl Fn(u64) -> Simulation) -> Box<Failure> {
    let found = (0..SEEDS).find_map(|seed| simulation(seed).clients(CLIENTS).run().err());
    let found = found.unwrap_or_else(|| panic!("no seed up to {SEEDS} finds the mistake"));
    println!("seed {}: {}: {}", found.seed, found.rule, found.what);
    found
}

fn planted(bug: Bug, rules: &[&str]) {
    let found = first(|seed| {
        let shared = Arc::<Shared>::default();
        Simulation::new(seed).wrap(move |store| Arc::new(Planted::new(store, bug, &shared)))
    });
    assert!(rules.iter().any(|rule| found.rule.starts_with(rule)), "{bug:?} was found by another rule: {found}");
}

macro_rules! mistakes {
    ($($name:ident: $bug:ident breaks $($rule:literal)|+;)*) => {
        $(
            #[test]
            fn $name() {
                planted(Bug::$bug, &[$($rule),+]);
            }
        )*
    };
}

mistakes! {
    a_cancel_wiped_by_a_blind_retry_write: CancelWiped breaks "3";
    a_renewed_lease_taken_by_recovery: RenewedLeaseTaken breaks "leases";
    a_claims_lost_answer_counted_as_a_crash: ClaimForgotten breaks "leases" | "2";
    a_token_that_repeats: TokenRepeats breaks "2";
    all_leases_taken_at_a_clock_jump: OneLook breaks "leases";
    a_deleted_running_job_freeing_its_slot_early: DeletedAtOnce breaks "2";
    one_key_giving_two_jobs: KeyForgotten breaks "2";
    a_retried_insert_reviving_a_job: PurgedYoung breaks "3" | "5";
    endless_snooze: EndlessSnooze breaks "1";
    an_unreadable_record_blocking_what_is_due: UnreadableBlocks breaks "1";
    a_stale_outcome_accepted: StaleOutcome breaks "2";
    an_outcome_turned_into_a_failure_by_an_outage: OutageFails breaks "2";
    a_hint_required_for_progress: HintRequired breaks "1";
    a_limit_counted_in_two_steps: LimitInTwoSteps breaks "6";
}

/// Lets a body go on when its handler is dropped, and says so to nobody.
struct Detached;

impl Wrap for Detached {
    fn wrap(&self, _: JobContext, handler: Handler) -> Handler {
        let mut body = tokio::spawn(handler);
        Box::pin(async move { attempt(&mut body).await })
    }
}

async fn attempt(body: &mut tokio::task::JoinHandle<Attempt>) -> Attempt {
    match body.await {
        Ok(attempt) => attempt,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[test]
fn a_slot_freed_while_the_body_runs() {
    let found = first(|seed| Simulation::new(seed).nodes(|builder| builder.wrap(Detached)));
    assert!(["2", "6"].iter().any(|rule| found.rule.starts_with(rule)), "{found}");
}
