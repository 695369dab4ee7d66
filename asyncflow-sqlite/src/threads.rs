//! Threads that work on a database, so that no async thread waits for a disk.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use asyncflow_core::store::StoreError;
use tokio::sync::oneshot;

type Task<W> = Box<dyn FnOnce(&mut W) + Send>;

/// What a worker does from time to time, whether it has something else to do or not.
pub(crate) struct Pulse<W> {
    pub(crate) every: Duration,
    pub(crate) what: fn(&mut W),
}

/// One thread a worker, fed by one queue.
///
/// Dropped, it lets the threads finish what was asked of them, and waits for their end.
pub(crate) struct Threads<W> {
    queue: Option<mpsc::Sender<Task<W>>>,
    threads: Vec<JoinHandle<()>>,
}

impl<W: Send + 'static> Threads<W> {
    pub(crate) fn start(name: &str, workers: Vec<W>, pulse: Option<Pulse<W>>) -> std::io::Result<Self> {
        let (sender, queue) = mpsc::channel();
        let (queue, pulse) = (Arc::new(Mutex::new(queue)), Arc::new(pulse));
        let mut threads = Self { queue: Some(sender), threads: Vec::new() };
        for worker in workers {
            let (queue, pulse) = (queue.clone(), pulse.clone());
            let thread = std::thread::Builder::new().name(name.into());
            threads.threads.push(thread.spawn(move || work(worker, &queue, pulse.as_ref().as_ref()))?);
        }
        Ok(threads)
    }

    /// Has a worker do something. Dropped, the future gives up the answer alone: what was asked is done.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut W) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.queue(false, task).await
    }

    /// Has a worker look at something. Dropped, the future gives it up: what was not begun yet is not done any more.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut W) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.queue(true, task).await
    }

    async fn queue<T: Send + 'static>(
        &self,
        can_be_given_up: bool,
        task: impl FnOnce(&mut W) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task = move |worker: &mut W| {
            if can_be_given_up && reply.is_closed() {
                return;
            }
            let answer = catch_unwind(AssertUnwindSafe(|| task(worker)));
            let _ = reply.send(answer.unwrap_or_else(|_| Err(StoreError::unavailable("its thread panicked"))));
        };
        let gone = || StoreError::unavailable("its threads have ended");
        self.queue.as_ref().ok_or_else(gone)?.send(Box::new(task)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl<W> Drop for Threads<W> {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // Its tasks catch their panics.
            let _ = thread.join();
        }
    }
}

fn work<W>(mut worker: W, queue: &Mutex<mpsc::Receiver<Task<W>>>, pulse: Option<&Pulse<W>>) {
    let mut beat = Instant::now();
    loop {
        let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let task = match pulse {
            Some(_) => queue.recv_timeout(beat.saturating_duration_since(Instant::now())),
            None => queue.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
        };
        drop(queue);
        match task {
            Ok(task) => task(&mut worker),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
        if let Some(pulse) = pulse.filter(|_| beat <= Instant::now()) {
            beat = Instant::now() + pulse.every;
            let _ = catch_unwind(AssertUnwindSafe(|| (pulse.what)(&mut worker)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_and_the_thread_goes_on() {
        let threads = Threads::start("test", vec![0], None).unwrap();
        let answer = threads.run(|_| -> Result<(), StoreError> { panic!("on purpose") }).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))));
        let add = |n: &mut i32| {
            *n += 1;
            Ok(())
        };
        threads.run(add).await.unwrap();
        assert_eq!(threads.run(|n| Ok(*n)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_was_asked_is_done_before_the_threads_end() {
        let done = Arc::new(Mutex::new(0));
        let threads = Threads::start("test", vec![(), ()], None).unwrap();
        for _ in 0..10 {
            let done = done.clone();
            let task = threads.run(move |()| {
                *done.lock().unwrap() += 1;
                Ok(())
            });
            // Asked, and the answer given up.
            let _ = tokio::time::timeout(Duration::ZERO, task).await;
        }
        drop(threads);
        assert_eq!(*done.lock().unwrap(), 10);
    }

    #[tokio::test]
    async fn a_look_that_was_given_up_is_not_begun() {
        let (let_go, held) = mpsc::channel::<()>();
        let threads = Threads::start("test", vec![0], None).unwrap();
        let look = |looks: &mut i32| {
            *looks += 1;
            Ok(())
        };
        let mut busy = std::pin::pin!(threads.run(move |_| Ok(held.recv().is_ok())));
        // Asked, and then given up.
        tokio::time::timeout(Duration::ZERO, &mut busy).await.unwrap_err();
        tokio::time::timeout(Duration::ZERO, threads.look(look)).await.unwrap_err();
        let_go.send(()).unwrap();
        assert!(busy.await.unwrap());
        threads.look(look).await.unwrap();
        assert_eq!(threads.run(|looks| Ok(*looks)).await.unwrap(), 1);
    }

    #[test]
    fn a_pulse_beats_without_work() {
        let (sender, beats) = mpsc::channel();
        let pulse =
            Pulse { every: Duration::from_millis(1), what: |sender: &mut mpsc::Sender<()>| sender.send(()).unwrap() };
        let threads = Threads::start("test", vec![sender], Some(pulse)).unwrap();
        for _ in 0..3 {
            beats.recv().unwrap();
        }
        drop(beats);
        drop(threads);
    }
}
