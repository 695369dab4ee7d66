//! Time that tests turn: tokio's own, paused.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::oneshot,
    time::Instant,
};

/// Whether the current runtime's time can be turned, and does not pass.
///
/// # Errors
/// It cannot, or does: and what to write instead.
pub(super) fn check() -> Result<(), &'static str> {
    let write = "time is not paused here: use `#[tokio::test(start_paused = true)]`";
    let runtime = Handle::try_current().map_err(|_| write)?;
    // Just a runtime of one thread can pause its time.
    let paused = runtime.runtime_flavor() == RuntimeFlavor::CurrentThread && is_paused();
    paused.then_some(()).ok_or(write)
}

/// Whether tokio's time stands while the machine's goes on: tokio itself cannot be asked.
fn is_paused() -> bool {
    let before = Instant::now();
    let began = std::time::Instant::now();
    while std::time::Instant::now() == began {
        std::hint::spin_loop();
    }
    Instant::now() == before
}

/// Who holds time: paused time passes by itself where everything waits for it, unless somebody does.
#[derive(Clone, Debug, Default)]
pub(super) struct Time(Arc<Mutex<Holds>>);

#[derive(Debug, Default)]
struct Holds {
    holders: usize,
    /// Ends the hold when it is dropped.
    hold: Option<oneshot::Sender<()>>,
}

impl Time {
    pub(super) fn hold(&self) -> HeldTime {
        let mut holds = self.holds();
        holds.holders += 1;
        holds.hold.get_or_insert_with(hold);
        HeldTime(self.clone())
    }

    /// Lets so much time pass, with everything on the way in its order, whoever holds time.
    pub(super) async fn pass(&self, time: Duration) {
        self.holds().hold = None;
        tokio::time::sleep(time).await;
        let mut holds = self.holds();
        if holds.holders > 0 {
            holds.hold.get_or_insert_with(hold);
        }
    }

    fn holds(&self) -> std::sync::MutexGuard<'_, Holds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps time where it is: tokio's does not pass by itself while a blocking task runs.
fn hold() -> oneshot::Sender<()> {
    let (held, released) = oneshot::channel::<()>();
    let (waits, ends) = mpsc::channel::<()>();
    drop(tokio::task::spawn_blocking(move || {
        let _ = ends.recv();
    }));
    // A task, since the runtime's end drops it whoever still holds time, and then waits for the thread.
    drop(tokio::spawn(async move {
        let _ = released.await;
        drop(waits);
    }));
    held
}

/// Time that does not pass by itself, until this is dropped; it is turned all the same.
#[derive(Debug)]
#[must_use = "time is held until this is dropped"]
pub struct HeldTime(Time);

impl Drop for HeldTime {
    fn drop(&mut self) {
        let mut holds = self.0.holds();
        holds.holders -= 1;
        if holds.holders == 0 {
            holds.hold = None;
        }
    }
}
