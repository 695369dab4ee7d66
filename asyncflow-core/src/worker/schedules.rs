//! Nobody who waits for a job to run, or for all to have ended, misses it.

use std::sync::Arc;

use shuttle::{future::block_on, thread};

use super::Crew;
use crate::schedules::{running, try_schedules};

#[test]
fn heartbeats_hear_of_a_job_that_runs() {
    try_schedules(|| {
        let crew = Arc::new(Crew::default());
        // For the member to stay.
        crew.slot_taken();
        let member = thread::spawn({
            let crew = crew.clone();
            move || {
                let member = crew.enter(running(1));
                block_on(crew.idle());
                drop(member);
            }
        });
        block_on(crew.busy());
        crew.slot_given();
        member.join().unwrap();
        assert!(crew.all().is_empty());
    });
}

#[test]
fn a_drain_hears_that_the_last_slot_was_given_back() {
    try_schedules(|| {
        let crew = Arc::new(Crew::default());
        crew.slot_taken();
        crew.slot_taken();
        let given = [(); 2].map(|()| {
            let crew = crew.clone();
            thread::spawn(move || crew.slot_given())
        });
        block_on(crew.idle());
        assert_eq!(crew.taken(), 0);
        given.into_iter().for_each(|given| given.join().unwrap());
    });
}
