//! One request to one endpoint, and the flow that it is to.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{FlowRef, JobId};
use http::{HeaderMap, HeaderValue};

use super::{ErrorDetail, Place};
use crate::{
    answer::{Answer, Wire, id_text, links::Links, problem::Refusal},
    headers::{Present, etag, prefer::Prefer},
    owner::AnyOwnerHook,
};

/// One flow, as one service answers for it.
pub(crate) struct Mount {
    pub(crate) flow: FlowRef,
    pub(crate) wire: Arc<Wire>,
    pub(crate) owner: Option<Arc<dyn AnyOwnerHook>>,
    pub(crate) error_detail: ErrorDetail,
    /// In seconds.
    pub(crate) wait_cap: u32,
    /// How long idempotency keys are kept; as long as the engine does unless set.
    pub(crate) key_retention: Option<Duration>,
    /// The media types that the flow takes.
    pub(crate) accept: HeaderValue,
}

/// One request to one endpoint, past its owner hook.
pub(crate) struct Call {
    pub(super) mount: Arc<Mount>,
    /// The flow as the request's owner sees it, where there is an owner hook.
    owned: Option<FlowRef>,
    place: Place,
    /// The job; none where the path has no id in its place.
    id: Option<JobId>,
    pub(super) headers: HeaderMap,
    pub(super) present: Present,
}

impl Call {
    pub(crate) fn new(
        mount: Arc<Mount>,
        owned: Option<FlowRef>,
        place: Place,
        id: Option<JobId>,
        mut headers: HeaderMap,
    ) -> Self {
        let present = Present::of(&headers);
        if present.prefer {
            // It may wait, and values are slices of the connection's read buffer, which would be held meanwhile.
            for value in headers.values_mut() {
                if let Ok(own) = HeaderValue::from_bytes(value.as_bytes()) {
                    *value = own;
                }
            }
        }
        Self { mount, owned, place, id, headers, present }
    }

    pub(super) fn flow(&self) -> &FlowRef {
        self.owned.as_ref().unwrap_or(&self.mount.flow)
    }

    /// The job that the path names. An id that is none is that of a job that there never was.
    pub(super) fn job(&self) -> Result<JobId, Refusal> {
        self.id.ok_or_else(Refusal::not_found)
    }

    pub(super) fn prefer(&self) -> Prefer {
        if self.present.prefer { Prefer::read(&self.headers, self.mount.wait_cap) } else { Prefer::default() }
    }

    /// Whether the client says that it knows this version of what it asks for.
    pub(super) fn knows(&self, version: u64) -> bool {
        self.present.if_none_match && etag::is_known(&self.headers, version)
    }

    pub(super) fn links(&self, id: JobId) -> Links<'_> {
        Links { wire: &self.mount.wire, flow: self.mount.flow.name(), id: id_text(id), place: self.place }
    }

    pub(super) fn settle(&self, answer: Result<Answer, Refusal>) -> Answer {
        answer.unwrap_or_else(|refusal| refusal.answer(&self.mount.wire))
    }
}
