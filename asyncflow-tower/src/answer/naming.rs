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

/// The members' names, each with the punctuation before and after it. They are known to the compiler, so that writing one is a few moves.
pub(crate) trait Names {
    const REQUEST_ID: &str;
    const DATE_TIME: &str;
    const STATUS: &str;
    const CREATED_AT: &str;
    const STARTED_AT: &str;
    const COMPLETED_AT: &str;
    const ATTEMPT: &str;
    const CANCEL_REQUESTED: &str;
    const JOB_ID: &str;
    const ERROR_TYPE: &str;
    const MESSAGE: &str;
    const STACK_TRACE: &str;
}

/// [`Naming::Mixed`].
pub(crate) struct Mixed;

impl Names for Mixed {
    const REQUEST_ID: &str = r#"{"RequestId":""#;
    const DATE_TIME: &str = r#"","DateTime":""#;
    const STATUS: &str = r#"","Status":""#;
    const CREATED_AT: &str = r#"","CreatedAt":""#;
    const STARTED_AT: &str = r#","StartedAt":""#;
    const COMPLETED_AT: &str = r#","CompletedAt":""#;
    const ATTEMPT: &str = r#","Attempt":"#;
    const CANCEL_REQUESTED: &str = r#","CancelRequested":true"#;
    const JOB_ID: &str = r#"{"JobId":""#;
    const ERROR_TYPE: &str = r#"","Error":{"Type":"#;
    const MESSAGE: &str = r#","Message":"#;
    const STACK_TRACE: &str = r#","StackTrace":"#;
}

/// [`Naming::CamelCase`].
pub(crate) struct Camel;

impl Names for Camel {
    const REQUEST_ID: &str = r#"{"requestId":""#;
    const DATE_TIME: &str = r#"","dateTime":""#;
    const STATUS: &str = r#"","status":""#;
    const CREATED_AT: &str = r#"","createdAt":""#;
    const STARTED_AT: &str = r#","startedAt":""#;
    const COMPLETED_AT: &str = r#","completedAt":""#;
    const ATTEMPT: &str = r#","attempt":"#;
    const CANCEL_REQUESTED: &str = r#","cancelRequested":true"#;
    const JOB_ID: &str = r#"{"jobId":""#;
    const ERROR_TYPE: &str = r#"","error":{"type":"#;
    const MESSAGE: &str = r#","message":"#;
    const STACK_TRACE: &str = r#","stackTrace":"#;
}
