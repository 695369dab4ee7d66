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
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_LENGTH};
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

/// What is being waited for. Whatever is large is in a box: servers move the future more than once.
enum Step {
    /// The owner hook, and who goes on then.
    Owner { named: Pin<Box<dyn Future<Output = Named> + Send>>, then: Option<Box<Then>> },
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
        mut request: Request<B>,
    ) -> Self {
        let is_head = request.method() == Method::HEAD;
        let Some(hook) = mount.owner.clone() else {
            let headers = std::mem::take(request.headers_mut());
            let step = Step::Endpoint(endpoint.start(Call::new(mount, None, place, id, headers), request.body()));
            return Self { body: request.into_body(), is_head, step };
        };
        let (head, body) = request.into_parts();
        let then = Some(Box::new(Then { endpoint, mount, place, id }));
        Self { body, is_head, step: Step::Owner { named: hook.name(head), then } }
    }

    /// Goes through the layers around an endpoint.
    pub(crate) fn layered(layers: &dyn Layered, request: Request<B>) -> Self {
        let is_head = request.method() == Method::HEAD;
        let (head, body) = request.into_parts();
        let (feed, piped) = body::pipe(&body);
        let answer = layers.call(Request::from_parts(head, piped));
        Self { body, is_head, step: Step::Layered { feed, answer } }
    }

    /// Is answered already.
    pub(crate) fn ready(answer: Answer, request: Request<B>) -> Self {
        let is_head = request.method() == Method::HEAD;
        Self { body: request.into_body(), is_head, step: Step::Endpoint(Answering::done(answer)) }
    }

    /// Is refused already.
    pub(crate) fn refused(refusal: Refusal, wire: &Wire, request: Request<B>) -> Self {
        Self::ready(refusal.answer(wire), request)
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
            Err(refused) => Answering::done(Refusal::from(refused).answer(&mount.wire)),
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
        let mut answer = loop {
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
        if *this.is_head {
            take_body(&mut answer);
        }
        Poll::Ready(Ok(answer))
    }
}

/// The answer to a `HEAD`: it says how long its body would be. HTTP/2 servers send whatever body there is, so there is none.
fn take_body(answer: &mut Answer) {
    let body = std::mem::take(answer.body_mut());
    let bodiless = matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if let (Some(length), false) = (body.size_hint().exact(), bodiless) {
        answer.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
}

impl<B> fmt::Debug for FlowFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowFuture")
    }
}
