//! How the members of the wire's JSON are called.

/// How the members of the service's JSON are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Naming {
    /// In mixed case: `RequestId`, `Status`, `progressData`.
    #[default]
    Mixed,
    /// In camel case, all of them: `requestId`, `status`, `progressData`.
    CamelCase,
}

/// The members as they are written, each with the punctuation before and after its name.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) request_id: &'static [u8],
    pub(crate) date_time: &'static [u8],
    pub(crate) status: &'static [u8],
    pub(crate) created_at: &'static [u8],
    pub(crate) started_at: &'static [u8],
    pub(crate) completed_at: &'static [u8],
    pub(crate) attempt: &'static [u8],
    pub(crate) cancel_requested: &'static [u8],
    pub(crate) job_id: &'static [u8],
    pub(crate) error_type: &'static [u8],
    pub(crate) message: &'static [u8],
    pub(crate) stack_trace: &'static [u8],
}

impl Naming {
    pub(crate) fn names(self) -> &'static Names {
        match self {
            Self::Mixed => &MIXED,
            Self::CamelCase => &CAMEL,
        }
    }
}

static MIXED: Names = Names {
    request_id: br#"{"RequestId":""#,
    date_time: br#"","DateTime":""#,
    status: br#"","Status":""#,
    created_at: br#"","CreatedAt":""#,
    started_at: br#","StartedAt":""#,
    completed_at: br#","CompletedAt":""#,
    attempt: br#","Attempt":"#,
    cancel_requested: br#","CancelRequested":true"#,
    job_id: br#"{"JobId":""#,
    error_type: br#"","Error":{"Type":"#,
    message: br#","Message":"#,
    stack_trace: br#","StackTrace":"#,
};

static CAMEL: Names = Names {
    request_id: br#"{"requestId":""#,
    date_time: br#"","dateTime":""#,
    status: br#"","status":""#,
    created_at: br#"","createdAt":""#,
    started_at: br#","startedAt":""#,
    completed_at: br#","completedAt":""#,
    attempt: br#","attempt":"#,
    cancel_requested: br#","cancelRequested":true"#,
    job_id: br#"{"jobId":""#,
    error_type: br#"","error":{"type":"#,
    message: br#","message":"#,
    stack_trace: br#","stackTrace":"#,
};
