use super::*;
use crate::{
    job::{JobId, JobKey, Stamp, Token},
    policy::Retry,
};

/// Every situation that a job can be in, as the table's columns name it.
const SITUATIONS: [(&str, State, Mark); 10] = [
    ("scheduled", State::Scheduled, Mark::None),
    ("enqueued", State::Enqueued, Mark::None),
    ("processing", State::Processing, Mark::None),
    ("…cancel", State::Processing, Mark::Cancel),
    ("…forget", State::Processing, Mark::Forget),
    ("succeeded", State::Succeeded, Mark::None),
    ("failed", State::Failed, Mark::None),
    ("cancelled", State::Cancelled, Mark::None),
    ("…cancel ", State::Cancelled, Mark::Cancel),
    ("…forget ", State::Cancelled, Mark::Forget),
];

/// What each event makes of each situation. A guard (V: version, D: still due, H: holder that knows of nothing, Hc: of a cancel, Hf: of a
/// forget), then the new state, the new mark, or what else happens; or `-` and why nothing does.
const TABLE: &str = "
event      | scheduled   | enqueued    | processing    | …cancel       | …forget              | succeeded   | failed      | cancelled   | …cancel     | …forget
due        | D Enqueued  | D Failed    | D Enqueued    | D Cancelled   | D Cancelled drop     | D purge     | D purge     | D purge     | D purge     | D purge
lost       | -Misplaced  | -Misplaced  | V Enqueued    | V Cancelled   | V Cancelled drop     | -Misplaced  | -Misplaced  | -Misplaced  | -Misplaced  | -Misplaced
succeeded  | -Misplaced  | -Misplaced  | Hc Succeeded  | Hc Succeeded  | Hf Cancelled drop    | -Ended      | -Ended      | -Ended      | -Ended      | -Ended
failed     | -Misplaced  | -Misplaced  | H Failed      | Hc Cancelled  | Hf Cancelled drop    | -Ended      | -Ended      | -Ended      | -Ended      | -Ended
again      | -Misplaced  | -Misplaced  | H Scheduled   | Hc Cancelled  | Hf Cancelled drop    | -Ended      | -Ended      | -Ended      | -Ended      | -Ended
snoozed    | -Misplaced  | -Misplaced  | H Scheduled   | Hc Cancelled  | Hf Cancelled drop    | -Ended      | -Ended      | -Ended      | -Ended      | -Ended
drained    | -Misplaced  | -Misplaced  | H Enqueued    | Hc Cancelled  | Hf Cancelled drop    | -Ended      | -Ended      | -Ended      | -Ended      | -Ended
stopped    | -Misplaced  | -Misplaced  | -Misplaced    | Hc Cancelled  | Hf Cancelled drop    | -Ended      | -Ended      | -Ended      | -Ended      | -Ended
unstarted  | -Misplaced  | -Misplaced  | -Misplaced    | Hc Cancelled  | Hf Cancelled drop    | -Ended      | -Ended      | -Ended      | -Ended      | -Ended
heartbeat  | -Misplaced  | -Misplaced  | Hf quiet      | Hf quiet      | Hf quiet             | -Ended      | -Ended      | -Ended      | -Ended      | -Ended
progress   | -Misplaced  | -Misplaced  | Hf progress   | Hf progress   | Hf progress          | -Ended      | -Ended      | -Ended      | -Ended      | -Ended
cancel     | V Cancelled | V Cancelled | V +Cancel     | -Already      | -Forgotten           | -Ended      | -Ended      | -Ended      | -Ended      | -Forgotten
delete     | V Cancelled +Forget drop | V Cancelled +Forget drop | V +Forget | V +Forget | -Forgotten | V +Forget drop | V +Forget drop | V +Forget drop | V +Forget drop | -Forgotten
";

const NOW: Stamp = Stamp::from_micros(1_700_000_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn record(state: State, mark: Mark) -> Record {
    let policy = Arc::new(Policy::default());
    let facts = submit(None, 0, &policy);
    Record {
        job: JobKey { flow: "flow".into(), id: JobId::from_u128(1) },
        flow_version: 0,
        state,
        version: 7,
        created: NOW,
        started: None,
        ended: None,
        due: NOW,
        rank: 0,
        priority: facts.priority,
        token: (state == State::Processing).then_some(Token::from_u128(9)),
        mark,
        tally: Tally::default(),
        owner: None,
        limit_key: None,
        unique_key: None,
        progress: None,
        policy,
    }
}

fn processing(change: impl FnOnce(&mut Record)) -> Record {
    let mut record = record(State::Processing, Mark::None);
    change(&mut record);
    record
}

fn with_policy(record: &mut Record, change: impl FnOnce(&mut Policy)) {
    change(Arc::make_mut(&mut record.policy));
}

fn failed(wish: Wish) -> Event {
    Event::Failed { error: JobError::new("Wrong", "it went wrong"), wish, chance: 0.0 }
}

fn events() -> Vec<(&'static str, Event)> {
    vec![
        ("due", Event::Due),
        ("lost", Event::LeaseLost),
        ("succeeded", Event::Succeeded(Part::json("1"))),
        ("failed", failed(Wish::Policy)),
        ("again", failed(Wish::After(SECOND))),
        ("snoozed", Event::Snoozed(SECOND)),
        ("drained", Event::Drained),
        ("stopped", Event::Stopped { started: true }),
        ("unstarted", Event::Stopped { started: false }),
        ("heartbeat", Event::Heartbeat(SECOND)),
        ("progress", Event::Progress(Arc::new(Progress::new("p")), SECOND)),
        ("cancel", Event::Cancel),
        ("delete", Event::Delete),
    ]
}

fn describe(decided: Result<(Guard, Patch), Refusal>) -> String {
    let (guard, patch) = match decided {
        Err(refusal) => return format!("-{refusal:?}"),
        Ok(decided) => decided,
    };
    let mut words = vec![match guard {
        Guard::Version(7) => "V".into(),
        Guard::StillDue { version: 7, due: NOW } => "D".into(),
        Guard::Holder { token, started: None, knows } if token == Token::from_u128(9) => match knows {
            Mark::None => "H".into(),
            Mark::Cancel => "Hc".into(),
            Mark::Forget => "Hf".to_owned(),
        },
        other => format!("{other:?}"),
    }];
    words.extend(patch.to.map(|state| state.to_string()));
    words.extend(patch.mark.map(|mark| format!("+{mark:?}")));
    words.extend((patch.parts == Parts::Drop).then(|| "drop".to_owned()));
    words.extend(patch.purge.then(|| "purge".to_owned()));
    words.extend(patch.quiet.then(|| "quiet".to_owned()));
    words.extend(matches!(patch.progress, Some(Some(_))).then(|| "progress".to_owned()));
    words.join(" ")
}

#[test]
fn every_event_in_every_situation_does_what_the_table_says() {
    let rows: Vec<Vec<&str>> = TABLE.trim().lines().map(|row| row.split('|').map(str::trim).collect()).collect();
    let columns: Vec<&str> = SITUATIONS.iter().map(|(name, ..)| name.trim()).collect();
    assert_eq!(rows[0][1..], columns, "the table's columns");
    let events = events();
    assert_eq!(rows.len() - 1, events.len(), "the table's rows");
    for (row, (name, event)) in rows[1..].iter().zip(events) {
        assert_eq!(row[0], name);
        for (expected, (situation, state, mark)) in row[1..].iter().zip(SITUATIONS) {
            let decided = decide(&record(state, mark), event.clone());
            assert_eq!(describe(decided), *expected, "{name} × {situation}");
        }
    }
}

#[test]
fn every_patch_leaves_a_job_that_is_due_some_time_and_a_token_just_while_it_is_held() {
    for (_, state, mark) in SITUATIONS {
        for (name, event) in events() {
            let mut record = record(state, mark);
            let Ok((guard, patch)) = decide(&record, event) else { continue };
            assert!(guard.admits(&record, NOW), "{name} × {state}: its own guard refuses");
            let before = record.clone();
            patch.apply(&mut record, None, NOW + SECOND);
            if !patch.purge {
                let moves = patch.to.is_some() || patch.quiet;
                assert!(!moves || record.due > NOW, "{name} × {state}: due");
                assert_eq!(record.token.is_some(), record.state == State::Processing, "{name} × {state}: token");
                assert_eq!(record.version, before.version + u64::from(!patch.quiet), "{name} × {state}: version");
                assert!(record.mark >= before.mark, "{name} × {state}: a mark is never undone");
                assert_eq!(record.ended.is_some(), patch.to.is_some_and(State::is_ended), "{name} × {state}: ended");
            }
            assert!(!before.state.is_ended() || record.state == before.state, "{name} × {state}: an end is an end");
        }
    }
}

#[test]
fn a_job_is_first_ready_or_put_off() {
    let policy = Arc::new(Policy::default());
    let facts = submit(None, 0, &policy);
    assert_eq!((facts.state, facts.due, facts.lead), (State::Enqueued, policy.expiry, 0));
    assert_eq!(submit(Some(Duration::ZERO), 0, &policy).state, State::Enqueued);
    let facts = submit(Some(SECOND), 2, &policy);
    assert_eq!((facts.state, facts.due, facts.lead), (State::Scheduled, SECOND, 120_000_000));
    assert_eq!(submit(None, -10, &policy).lead, -600_000_000);
}

#[test]
fn a_claim_starts_an_attempt_without_a_report() {
    let mut record = record(State::Enqueued, Mark::None);
    record.progress = Some(Arc::new(Progress::new("old")));
    claim(SECOND).apply(&mut record, Some(Token::from_u128(5)), NOW);
    assert_eq!((record.state, record.token, record.due), (State::Processing, Some(Token::from_u128(5)), NOW + SECOND));
    assert_eq!((record.started, record.progress, record.version), (Some(NOW), None, 8));
}

fn tally(record: &Record, event: Event) -> (Tally, Option<State>) {
    let (_, patch) = decide(record, event).unwrap();
    (patch.tally.unwrap_or(record.tally), patch.to)
}

#[test]
fn attempts_are_runs_that_ended_and_neither_drains_nor_snoozes_are() {
    let record = processing(|record| record.tally.crashes = 2);
    for (event, attempts, failures, crashes) in [
        (Event::Succeeded(Part::json("1")), 1, 0, 0),
        (failed(Wish::Policy), 1, 1, 0),
        (failed(Wish::After(Duration::ZERO)), 1, 1, 0),
        (Event::LeaseLost, 1, 0, 3),
        (Event::Drained, 0, 0, 2),
        (Event::Snoozed(SECOND), 0, 0, 0),
    ] {
        let (tally, _) = tally(&record, event.clone());
        assert_eq!((tally.attempts, tally.failures, tally.crashes), (attempts, failures, crashes), "{event:?}");
    }
    let (lost, to) = tally(&processing(|_| ()), Event::LeaseLost);
    assert_eq!((lost.attempts, lost.crashes, lost.crashes_in_all, to), (1, 1, 1, Some(State::Enqueued)));
    let marked = processing(|record| record.mark = Mark::Cancel);
    assert_eq!(tally(&marked, Event::Stopped { started: true }).0.attempts, 1);
    assert_eq!(tally(&marked, Event::Stopped { started: false }).0.attempts, 0);
}

#[test]
fn leases_lost_in_a_row_or_a_hundred_in_all_end_a_job() {
    let ends = |crashes, crashes_in_all| {
        let lost = processing(|record| (record.tally.crashes, record.tally.crashes_in_all) = (crashes, crashes_in_all));
        let (_, patch) = decide(&lost, Event::Due).unwrap();
        match patch.parts {
            Parts::Error(part) => Some(JobError::from_part(&part).unwrap().kind),
            _ => None,
        }
    };
    assert_eq!([ends(0, 0), ends(1, 1), ends(0, 98)], [None, None, None]);
    let lost = Some(JobError::WORKER_LOST.to_owned());
    assert_eq!([ends(2, 2), ends(0, 99), ends(u8::MAX, u8::MAX)], [lost.clone(), lost.clone(), lost]);
}

#[test]
fn snoozes_are_bounded() {
    let snoozed =
        |snoozes| decide(&processing(|record| record.tally.snoozes = snoozes), Event::Snoozed(SECOND)).unwrap().1;
    assert_eq!((snoozed(99).to, snoozed(99).tally.unwrap().snoozes), (Some(State::Scheduled), 100));
    let patch = snoozed(100);
    let Parts::Error(part) = patch.parts else { panic!("no error") };
    assert_eq!(
        (patch.to, JobError::from_part(&part).unwrap().kind.as_str()),
        (Some(State::Failed), JobError::SNOOZED_TOO_OFTEN)
    );
}

#[test]
fn a_report_renews_the_lease_and_goes_with_what_is_forgotten() {
    let report = Event::Progress(Arc::new(Progress::new("half")), SECOND);
    assert_eq!(decide(&processing(|_| ()), report).unwrap().1.due, Some(Due::In(SECOND)));
    let forgotten = decide(&record(State::Succeeded, Mark::None), Event::Delete).unwrap().1;
    assert_eq!((forgotten.progress, forgotten.parts), (Some(None), Parts::Drop));
}

#[test]
fn each_refusal_says_another_thing() {
    let said = [Refusal::Ended, Refusal::Forgotten, Refusal::Already, Refusal::Misplaced].map(|it| it.to_string());
    assert!(said.iter().all(|text| said.iter().filter(|other| *other == text).count() == 1 && text.contains("job")));
}

#[test]
fn no_bound_on_snoozes_is_too_large_to_be_met() {
    let record = processing(|record| {
        record.tally.snoozes = u16::MAX;
        with_policy(record, |policy| policy.max_snoozes = u16::MAX);
    });
    assert_eq!(decide(&record, Event::Snoozed(SECOND)).unwrap().1.to, Some(State::Failed));
}

#[test]
fn a_handler_may_ask_for_another_attempt_within_what_its_policy_allows() {
    let next = |retry: Retry, failures: u32, wish: Wish| {
        let record = processing(|record| {
            record.tally.failures = failures;
            with_policy(record, |policy| policy.retry = retry);
        });
        let patch = decide(&record, failed(wish)).unwrap().1;
        patch.due.filter(|_| patch.to == Some(State::Scheduled))
    };
    let fixed = Retry::fixed(3, SECOND);
    assert_eq!(next(fixed.clone(), 0, Wish::Policy), Some(Due::In(SECOND)));
    assert_eq!(next(fixed.clone(), 0, Wish::After(5 * SECOND)), Some(Due::In(5 * SECOND)));
    assert_eq!(next(fixed.clone(), 2, Wish::After(5 * SECOND)), None);
    assert_eq!(next(fixed, 0, Wish::Never), None);
    assert_eq!(next(Retry::Never, 99, Wish::After(SECOND)), Some(Due::In(SECOND)));
    assert_eq!(next(Retry::Never, 100, Wish::After(SECOND)), None);
}

#[test]
fn no_delay_is_ready_at_once() {
    let patch = decide(&processing(|_| ()), failed(Wish::After(Duration::ZERO))).unwrap().1;
    assert_eq!((patch.to, patch.lead), (Some(State::Enqueued), Some(0)));
}

#[test]
fn a_job_that_was_taken_keeps_its_place_and_one_that_becomes_ready_gets_one() {
    let lead = |record: &Record, event| decide(record, event).unwrap().1.lead;
    assert_eq!(lead(&processing(|_| ()), Event::Drained), None);
    assert_eq!(lead(&processing(|_| ()), Event::LeaseLost), None);
    let mut put_off = record(State::Scheduled, Mark::None);
    put_off.priority = 1;
    assert_eq!(lead(&put_off, Event::Due), Some(60_000_000));
}

#[test]
fn an_end_is_kept_by_outcome_and_a_forgotten_one_goes_as_soon_as_it_may() {
    let keeps = |record: &Record, event| decide(record, event).unwrap().1.due;
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(keeps(&processing(|_| ()), Event::Succeeded(Part::json("1"))), Some(Due::Purge(day)));
    assert_eq!(keeps(&processing(|_| ()), failed(Wish::Never)), Some(Due::Purge(7 * day)));
    assert_eq!(keeps(&record(State::Enqueued, Mark::None), Event::Cancel), Some(Due::Purge(day)));
    assert_eq!(keeps(&record(State::Succeeded, Mark::None), Event::Delete), Some(Due::Purge(Duration::ZERO)));
    assert_eq!(keeps(&processing(|_| ()), Event::Delete), None, "a running job keeps its lease");
}

#[test]
fn no_record_is_purged_before_a_minute_after_it_was_made() {
    let mut young = record(State::Succeeded, Mark::None);
    let (_, patch) = decide(&young, Event::Delete).unwrap();
    patch.apply(&mut young, None, NOW + SECOND);
    assert_eq!(young.due, NOW + Duration::from_secs(60));
    let mut old = record(State::Succeeded, Mark::None);
    patch.apply(&mut old, None, NOW + Duration::from_secs(3600));
    assert_eq!(old.due, NOW + Duration::from_secs(3600));
}

#[test]
fn owners_take_turns_however_many_jobs_each_has_waiting() {
    let job = |priority| {
        let mut record = record(State::Enqueued, Mark::None);
        with_policy(&mut record, |policy| policy.spacing = Some(SECOND));
        record.priority = priority;
        record.rank = NOW.as_micros() - record.policy.lead(priority);
        record
    };
    let at = |line, last, priority| {
        let mut record = job(priority);
        let from_then_on = turn(&mut record, line, last);
        assert_eq!(from_then_on, line.unwrap_or(NOW.as_micros() - 1_000_000));
        assert_eq!(record.rank, ready_at(&record) - i64::from(priority) * 60_000_000);
        ready_at(&record)
    };
    let now = NOW.as_micros();
    assert_eq!(at(None, None, 0), now, "alone, it counts from when it is ready");
    assert_eq!(at(Some(now), Some(now), 0), now + 1_000_000, "an owner's next one stands behind the last");
    assert_eq!(at(Some(now + 7), Some(now - 5_000_000), 0), now + 1_000_007, "and never before whose turn it is");
    assert_eq!(at(Some(now - 50), None, 0), now + 999_950, "another's first one is next, however slow the line is");
    assert_eq!(at(Some(now), Some(now), -3), now + 1_000_000, "priority counts on top");
    let mut unfair = record(State::Enqueued, Mark::None);
    assert_eq!(turn(&mut unfair, Some(1), Some(2)), 1);
    assert_eq!(unfair.rank, 0, "first come, first served has no turns");
}

#[test]
fn a_job_that_gives_way_is_cancelled_and_kept_as_such() {
    let mut waiting = record(State::Enqueued, Mark::None);
    replace(&waiting.policy).apply(&mut waiting, None, NOW);
    assert_eq!((waiting.state, waiting.mark, waiting.ended), (State::Cancelled, Mark::None, Some(NOW)));
    assert_eq!(waiting.due, NOW + waiting.policy.retention.cancelled);
}
