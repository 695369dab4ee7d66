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
    pub(crate) request_id: &'static str,
    pub(crate) date_time: &'static str,
    pub(crate) status: &'static str,
    pub(crate) created_at: &'static str,
    pub(crate) started_at: &'static str,
    pub(crate) completed_at: &'static str,
    pub(crate) attempt: &'static str,
    pub(crate) cancel_requested: &'static str,
    pub(crate) job_id: &'static str,
    pub(crate) error_type: &'static str,
    pub(crate) message: &'static str,
    pub(crate) stack_trace: &'static str,
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
    request_id: r#"{"RequestId":""#,
    date_time: r#"","DateTime":""#,
    status: r#"","Status":""#,
    created_at: r#"","CreatedAt":""#,
    started_at: r#","StartedAt":""#,
    completed_at: r#","CompletedAt":""#,
    attempt: r#","Attempt":"#,
    cancel_requested: r#","CancelRequested":true"#,
    job_id: r#"{"JobId":""#,
    error_type: r#"","Error":{"Type":"#,
    message: r#","Message":"#,
    stack_trace: r#","StackTrace":"#,
};

static CAMEL: Names = Names {
    request_id: r#"{"requestId":""#,
    date_time: r#"","dateTime":""#,
    status: r#"","status":""#,
    created_at: r#"","createdAt":""#,
    started_at: r#","startedAt":""#,
    completed_at: r#","completedAt":""#,
    attempt: r#","attempt":"#,
    cancel_requested: r#","cancelRequested":true"#,
    job_id: r#"{"jobId":""#,
    error_type: r#"","error":{"type":"#,
    message: r#","message":"#,
    stack_trace: r#","stackTrace":"#,
};
