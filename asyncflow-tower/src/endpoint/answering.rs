//! An endpoint at work.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::Body;

use super::enqueue::Receive;
use crate::{answer::Answer, body::BoxError};

/// An answer that is being made.
pub(crate) type Running = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// An endpoint at work.
pub(crate) enum Answering {
    /// It reads the request's body; none once it has.
    Receive(Option<Box<Receive>>),
    /// It asks the engine.
    Run(Running),
    /// It is done; none once the answer is taken.
    Done(Option<Box<Answer>>),
}

impl Answering {
    /// It is done already.
    pub(crate) fn done(answer: Answer) -> Self {
        Self::Done(Some(Box::new(answer)))
    }

    /// # Panics
    /// It is polled again after it was ready.
    pub(crate) fn poll<B>(&mut self, cx: &mut Context<'_>, mut body: Pin<&mut B>) -> Poll<Answer>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        loop {
            match self {
                Self::Receive(reading) => {
                    if let Some(receive) = reading {
                        if let Err(answer) = ready!(receive.poll(cx, body.as_mut())) {
                            return Poll::Ready(answer);
                        }
                    }
                    *self = reading.take().map_or(Self::Done(None), |receive| Self::Run(receive.submit()));
                }
                Self::Run(running) => return running.as_mut().poll(cx),
                Self::Done(answer) => match answer.take() {
                    Some(answer) => return Poll::Ready(*answer),
                    None => panic!("polled after it was ready"),
                },
            }
        }
    }
}
