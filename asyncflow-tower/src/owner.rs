//! Who a request speaks for.

use std::{borrow::Cow, future::Future, pin::Pin, sync::Arc};

use http::{HeaderValue, header::WWW_AUTHENTICATE, request::Parts};

use crate::answer::problem::{Problem, Refusal};

/// Names the owner of a request by its head, or refuses it.
///
/// An owner sees its own jobs alone, and its idempotency keys and quota are its own; requests of no owner (`None`) see those of no owner.
/// Closures are hooks too: what they need of the head they take out before their first await.
///
/// ```
/// use std::sync::Arc;
/// use asyncflow_tower::{FlowService, Refused};
/// use http::{HeaderValue, request::Parts};
///
/// # async fn whose(token: HeaderValue) -> Option<Arc<str>> { None }
/// # fn build(engine: asyncflow_core::FlowEngine) -> Result<FlowService, asyncflow_tower::InvalidSetting> {
/// FlowService::builder(engine)
///     .owner(|head: &Parts| {
///         let token = head.headers.get("authorization").cloned();
///         async move {
///             let token = token.ok_or(Refused::unauthorized(HeaderValue::from_static("Bearer")))?;
///             whose(token).await.map(Some).ok_or(Refused::forbidden())
///         }
///     })
///     .build()
/// # }
/// ```
pub trait OwnerHook: Send + Sync + 'static {
    /// The owner, where the request has one.
    ///
    /// # Errors
    /// The request is answered with the refusal.
    fn owner(&self, head: &Parts) -> impl Future<Output = Result<Option<Arc<str>>, Refused>> + Send;
}

impl<F, Fut> OwnerHook for F
where
    F: Fn(&Parts) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<Arc<str>>, Refused>> + Send,
{
    fn owner(&self, head: &Parts) -> impl Future<Output = Result<Option<Arc<str>>, Refused>> + Send {
        self(head)
    }
}

/// A request that its owner hook refuses.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What a 401 asks for; a 403 asks for nothing.
    challenge: Option<HeaderValue>,
    detail: Cow<'static, str>,
}

impl Refused {
    /// `401`: who it comes from is not known. The challenge is the answer's `WWW-Authenticate`.
    pub fn unauthorized(challenge: HeaderValue) -> Self {
        Self { challenge: Some(challenge), detail: "the request does not say who it comes from".into() }
    }

    /// `403`: who it comes from may not do this.
    pub fn forbidden() -> Self {
        Self { challenge: None, detail: "whoever the request comes from may not do this".into() }
    }

    /// Says why, to whoever asked.
    pub fn detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused.challenge {
            Some(challenge) => Self::new(Problem::Unauthorized, refused.detail).header(WWW_AUTHENTICATE, challenge),
            None => Self::new(Problem::Forbidden, refused.detail),
        }
    }
}

/// What a hook made of a head, which it gives back.
pub(crate) type Named = (Parts, Result<Option<Arc<str>>, Refused>);

/// A hook of any type.
pub(crate) trait AnyOwnerHook: Send + Sync {
    fn name(self: Arc<Self>, head: Parts) -> Pin<Box<dyn Future<Output = Named> + Send>>;
}

impl<H: OwnerHook> AnyOwnerHook for H {
    fn name(self: Arc<Self>, head: Parts) -> Pin<Box<dyn Future<Output = Named> + Send>> {
        Box::pin(async move {
            let owner = self.owner(&head).await;
            (head, owner)
        })
    }
}
