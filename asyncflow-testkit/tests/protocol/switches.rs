//! Each rule of the design, switched off, brings back what it is there for.

use asyncflow_core::Retry;
use stateright::{Checker, Model, Path};

use crate::{
    checked::Step,
    explore, proving,
    rules::{Protocol, Rule},
    story,
    world::{Budget, Flaw, World},
};

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breaks {
    Safety(Flaw),
    /// A job that no fleet brings to its end.
    Trap,
}

use Breaks::{Safety, Trap};

const NONE: Budget = Budget {
    lost: 0,
    late: 0,
    kills: 0,
    restarts: 0,
    freezes: 0,
    jumps: 0,
    outages: 0,
    cuts: 0,
    drains: 0,
    stubborn: 0,
    copies: 0,
    drops: 0,
    cancels: 0,
    deletes: 0,
};

fn pulling(budget: Budget) -> Protocol {
    Protocol::pulling(budget)
}

/// Two jobs, of which one may run at once.
fn limited(budget: Budget) -> Protocol {
    Protocol { jobs: 2, limit: Some(1), ..pulling(budget) }.policy(|policy| {
        policy.max_snoozes = 0;
        policy.retry = Retry::Never;
    })
}

fn without(rule: Rule) -> (Protocol, Breaks) {
    let (protocol, breaks) = match rule {
        Rule::RandomToken => (pulling(NONE), Safety(Flaw::Overlap)),
        Rule::SameTokenSameJobs => (pulling(Budget { lost: 1, ..NONE }), Safety(Flaw::CrashOfNoHandler)),
        Rule::AskedAgainRenews => (limited(Budget { lost: 1, freezes: 1, ..NONE }), Safety(Flaw::LimitExceeded)),
        Rule::KnowsCancel => (pulling(Budget { cancels: 1, ..NONE }), Safety(Flaw::Undone)),
        Rule::KnowsForget => (pulling(Budget { deletes: 1, ..NONE }), Safety(Flaw::Undone)),
        Rule::StillDue => (pulling(Budget { freezes: 1, ..NONE }), Safety(Flaw::HealthyLost)),
        Rule::StillDueSeesTheLease => (pulling(Budget { freezes: 1, jumps: 1, ..NONE }), Safety(Flaw::HealthyLost)),
        Rule::TwoLooks => (pulling(Budget { jumps: 1, ..NONE }), Safety(Flaw::HealthyLost)),
        Rule::ForgetMarksRunning => (limited(Budget { deletes: 1, ..NONE }), Safety(Flaw::LimitExceeded)),
        Rule::PurgeWaitsForTheWorker => (pulling(Budget { deletes: 1, ..NONE }), Safety(Flaw::PurgedWhileHeld)),
        Rule::ForgottenIsInert => (pulling(Budget { lost: 1, deletes: 1, ..NONE }), Safety(Flaw::Revived)),
        Rule::RetriesEndBeforePurge => (pulling(Budget { lost: 1, deletes: 1, ..NONE }), Safety(Flaw::Revived)),
        Rule::KeysApart => {
            let keyed = Protocol { jobs: 2, keyed: true, ..pulling(Budget { deletes: 1, ..NONE }) };
            (keyed, Safety(Flaw::TwoJobs))
        }
        Rule::LimitCountsForgotten => (limited(Budget { deletes: 1, ..NONE }), Safety(Flaw::LimitExceeded)),
        Rule::CrashesInARow => {
            let lone = Protocol { nodes: 1, lone: true, ..pulling(Budget { kills: 2, restarts: 2, ..NONE }) };
            (lone, Safety(Flaw::LostTooEarly))
        }
        Rule::DrainsCountNothing => (pulling(Budget { drains: 1, ..NONE }), Safety(Flaw::CrashOfNoHandler)),
        Rule::DrainResolvesClaims => (pulling(Budget { lost: 1, drains: 1, ..NONE }), Safety(Flaw::CrashOfNoHandler)),
        Rule::MarksAtTheAnswer => (pulling(Budget { lost: 1, cancels: 1, ..NONE }), Safety(Flaw::StartedMarked)),
        Rule::OwnDeadline => (limited(Budget { freezes: 1, ..NONE }), Safety(Flaw::LimitExceeded)),
        Rule::BodyHoldsSlot => (limited(Budget { stubborn: 1, cancels: 1, ..NONE }), Safety(Flaw::LimitExceeded)),
        Rule::SnoozesBounded => (pulling(NONE), Trap),
        Rule::IdleSlotsClaim => (Protocol::carrying(NONE), Trap),
        Rule::GivenUpInsertResolvesClaim => (pulling(Budget { lost: 1, ..NONE }), Safety(Flaw::CrashOfNoHandler)),
        Rule::DeleteEndsWaiting => (pulling(Budget { deletes: 1, ..NONE }), Safety(Flaw::Undone)),
        Rule::HolderOfOneClaim | Rule::DecidesAgainForItsClaim => {
            (pulling(Budget { lost: 1, late: 1, ..NONE }), Safety(Flaw::Stale))
        }
    };
    (protocol.without(rule), breaks)
}

#[test]
fn each_rule_is_there_for_something() {
    for rule in Rule::ALL {
        let (protocol, breaks) = without(rule);
        // With the rule, all the same may happen, and nothing is wrong.
        if proving() {
            explore(&format!("{rule:?} is on"), Protocol { without: None, alike: true, ..protocol.clone() });
        }
        let Some(path) = shortest(&protocol) else { panic!("{rule:?} is off, and nothing goes wrong") };
        let found = path.last_state().flaw.map_or(Trap, Safety);
        let steps = path.into_actions();
        println!("without {rule:?}: {found:?} after {} steps\n{}", steps.len(), story(steps));
        assert_eq!(found, breaks, "without {rule:?}");
    }
}

/// The first that goes wrong: a checker that is stopped by it may have gone on a little.
fn shortest(protocol: &Protocol) -> Option<Path<World, Step>> {
    (2..100).find_map(|depth| {
        let checker = protocol.clone().checker().target_max_depth(depth).spawn_bfs().join();
        checker.discoveries().into_values().min_by_key(|path| path.clone().into_actions().len())
    })
}
