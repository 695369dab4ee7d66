//! Tokio's `Notify`, on shuttle's mutex: each step of it is one at which others may go on.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use shuttle::sync::Mutex;

#[derive(Debug, Default)]
pub(crate) struct Notify(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    permit: bool,
    /// Calls of `notify_waiters`.
    calls: u64,
    waiters: VecDeque<Waiter>,
    next: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    notified: Option<By>,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    One,
    All,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notify_one(&self) {
        let mut inner = self.0.lock().unwrap();
        let waker = match inner.waiters.iter_mut().find(|waiter| waiter.notified.is_none()) {
            Some(waiter) => {
                waiter.notified = Some(By::One);
                waiter.waker.take()
            }
            None => {
                inner.permit = true;
                None
            }
        };
        drop(inner);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn notify_waiters(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.calls += 1;
        let mut wakers = Vec::new();
        for waiter in inner.waiters.iter_mut().filter(|waiter| waiter.notified.is_none()) {
            waiter.notified = Some(By::All);
            wakers.extend(waiter.waker.take());
        }
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// As tokio's, it hears of every `notify_waiters` from now on, and of a `notify_one` once it is polled or enabled.
    pub(crate) fn notified(&self) -> Notified<'_> {
        let calls = self.0.lock().unwrap().calls;
        Notified { notify: self, calls, waits: Waits::NotYet }
    }
}

#[derive(Debug)]
pub(crate) struct Notified<'a> {
    notify: &'a Notify,
    calls: u64,
    waits: Waits,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Waits {
    NotYet,
    As(u64),
    Over,
}

impl Notified<'_> {
    pub(crate) fn enable(mut self: Pin<&mut Self>) -> bool {
        self.look(None)
    }

    /// Whether it was notified; it waits from now on where it was not.
    fn look(&mut self, waker: Option<&Waker>) -> bool {
        let mut inner = self.notify.0.lock().unwrap();
        match self.waits {
            Waits::Over => return true,
            Waits::NotYet if inner.calls != self.calls || std::mem::take(&mut inner.permit) => self.waits = Waits::Over,
            Waits::NotYet => {
                let number = inner.next;
                inner.next += 1;
                inner.waiters.push_back(Waiter { number, notified: None, waker: waker.cloned() });
                self.waits = Waits::As(number);
            }
            Waits::As(number) => {
                let place = inner.waiters.iter().position(|waiter| waiter.number == number).unwrap();
                if inner.waiters[place].notified.is_some() {
                    inner.waiters.remove(place);
                    self.waits = Waits::Over;
                } else {
                    inner.waiters[place].waker = waker.cloned().or(inner.waiters[place].waker.take());
                }
            }
        }
        self.waits == Waits::Over
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.look(Some(context.waker())) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        let Waits::As(number) = self.waits else { return };
        // A schedule that failed is unwound without its scheduler.
        if std::thread::panicking() {
            return;
        }
        let mut inner = self.notify.0.lock().unwrap();
        let place = inner.waiters.iter().position(|waiter| waiter.number == number).unwrap();
        let waiter = inner.waiters.remove(place);
        drop(inner);
        // What was meant for one is another's then.
        if waiter.is_some_and(|waiter| waiter.notified == Some(By::One)) {
            self.notify.notify_one();
        }
    }
}
