//! Nobody who waits for a running job misses what it is told.

use shuttle::{future::block_on, thread};

use super::{JobContext, Stop};
use crate::schedules::{running, try_schedules};

#[test]
fn a_handler_hears_that_it_should_stop() {
    try_schedules(|| {
        let running = running(1);
        let tellers = [Stop::Marked, Stop::Drained].map(|stop| {
            let running = running.clone();
            thread::spawn(move || running.tell(stop))
        });
        let handler = JobContext(running.clone());
        block_on(handler.cancelled());
        // And its supervisor that there is a further reason.
        block_on(running.stop_changed(Stop::Marked));
        assert_eq!(running.stop(), Stop::Drained);
        tellers.into_iter().for_each(|teller| teller.join().unwrap());
    });
}

#[test]
fn the_end_of_the_last_body_is_heard() {
    try_schedules(|| {
        let running = running(1);
        let job = JobContext(running.clone());
        let bodies = [job.busy(), job.busy()].map(|body| thread::spawn(move || drop(body)));
        block_on(running.bodies_ended());
        assert!(!running.is_busy());
        bodies.into_iter().for_each(|body| body.join().unwrap());
    });
}
