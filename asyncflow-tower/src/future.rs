//! The way of a request: its owner, its body, the engine, its answer.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use asyncflow_core::JobId;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_LENGTH, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::{
    answer::{Answer, Wire, problem::Refusal},
    body::{self, BoxError, Feed, FlowBody},
    endpoint::{Answering, Call, Endpoint, Layered, Mount, Place, Running},
    owner::Named,
};

pin_project! {
    /// The answer of a [`FlowService`](crate::FlowService), on its way. It is `Send` exactly if the request's body is.
    ///
    /// Cancel safe: a dropped one's job is there or not, as if the client had not listened.
    pub struct FlowFuture<B> {
        // It stays until the answer is there: a server may read on from a body that is dropped early.
        #[pin]
        body: B,
        is_head: bool,
        step: Step,
    }
}

/// What is being waited for.
#[expect(clippy::large_enum_variant, reason = "an allocation less for each request")]
enum Step {
    /// The owner hook, and who goes on then.
    Owner { named: Pin<Box<dyn Future<Output = Named> + Send>>, then: Option<Then> },
    /// The engine, perhaps with the request's body first.
    Endpoint(Answering),
    /// The layers around the endpoint, which may ask for the body.
    Layered { feed: Feed, answer: Running },
}

/// An endpoint that waits for the owner to be known.
struct Then {
    endpoint: Endpoint,
    mount: Arc<Mount>,
    place: Place,
    id: Option<JobId>,
}

impl<B: Body> FlowFuture<B> {
    /// Goes to an endpoint, past its owner hook where there is one.
    pub(crate) fn start(
        endpoint: Endpoint,
        mount: Arc<Mount>,
        place: Place,
        id: Option<JobId>,
        head: Parts,
        body: B,
    ) -> Self {
        let is_head = head.method == Method::HEAD;
        let step = match mount.owner.clone() {
            Some(hook) => Step::Owner { named: hook.name(head), then: Some(Then { endpoint, mount, place, id }) },
            None => Step::Endpoint(endpoint.start(Call::new(mount, None, place, id, head.headers), &body)),
        };
        Self { body, is_head, step }
    }

    /// Goes through the layers around an endpoint.
    pub(crate) fn layered(layers: &dyn Layered, head: Parts, body: B) -> Self {
        let is_head = head.method == Method::HEAD;
        let (feed, piped) = body::pipe(&body);
        let answer = layers.call(Request::from_parts(head, piped));
        Self { body, is_head, step: Step::Layered { feed, answer } }
    }

    /// Is answered already.
    pub(crate) fn ready(answer: Answer, head: &Parts, body: B) -> Self {
        Self { body, is_head: head.method == Method::HEAD, step: Step::Endpoint(Answering::Done(Some(answer))) }
    }

    /// Is refused already.
    pub(crate) fn refused(refusal: Refusal, wire: &Wire, head: &Parts, body: B) -> Self {
        Self::ready(refusal.answer(wire), head, body)
    }
}

impl Then {
    fn go(self, (head, owner): Named, body: &impl Body) -> Answering {
        let Self { endpoint, mount, place, id } = self;
        match owner {
            Ok(owner) => {
                let owned = Some(mount.flow.as_owner(owner));
                endpoint.start(Call::new(mount, owned, place, id, head.headers), body)
            }
            Err(refused) => Answering::Done(Some(Refusal::from(refused).answer(&mount.wire))),
        }
    }
}

impl<B> Future for FlowFuture<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<FlowBody>, Infallible>;

    /// # Panics
    /// It is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let answer = loop {
            match this.step {
                Step::Owner { named, then } => {
                    let named = ready!(named.as_mut().poll(cx));
                    let answering = then.take().map_or(Answering::Done(None), |then| then.go(named, &*this.body));
                    *this.step = Step::Endpoint(answering);
                }
                Step::Endpoint(answering) => break ready!(answering.poll(cx, this.body)),
                Step::Layered { feed, answer } => match answer.as_mut().poll(cx) {
                    Poll::Ready(answer) => break answer,
                    Poll::Pending if feed.poll(cx, this.body.as_mut()) => {}
                    Poll::Pending => return Poll::Pending,
                },
            }
        };
        Poll::Ready(Ok(if *this.is_head { without_body(answer) } else { answer }))
    }
}

/// The answer to a `HEAD`: it says how long its body would be. HTTP/2 servers send whatever body there is, so there is none.
fn without_body(answer: Answer) -> Answer {
    let (mut head, body) = answer.into_parts();
    let bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if let (Some(length), false) = (body.size_hint().exact(), bodiless) {
        head.headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    Answer::from_parts(head, FlowBody::default())
}

impl<B> fmt::Debug for FlowFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowFuture")
    }
}
