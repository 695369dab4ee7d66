//! Checks of which jobs there are.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use asyncflow_core::{FromPayload, Stamp, State};

use super::TestJob;

/// Jobs of a flow that a test looks for: those that meet all that is said of them.
///
/// ```
/// # use asyncflow_core::{FlowEngine, JobContext, SubmitOptions}; use asyncflow_testkit::TestEngine;
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let flows = FlowEngine::builder().flow("mail", |_: String, _: JobContext| async { Ok::<_, String>(()) });
/// # let test = TestEngine::start(flows).await;
/// # let mails = test.engine().flow::<String, ()>("mail")?;
/// # for to in ["ann@example.org", "bob@example.org"] { mails.submit_with(to.into(), SubmitOptions::new().owner("acme")).await?; }
/// test.enqueued("mail").request("ann@example.org".to_owned()).owner("acme").assert_one();
/// test.enqueued("mail").request_where(|to: &String| to.ends_with("@example.com")).assert_none();
/// # Ok(()) }
/// ```
#[must_use = "nothing is checked before an assertion is called"]
pub struct Jobs {
    flow: String,
    /// Of the flow, in the order in which they were made.
    all: Vec<TestJob>,
    /// Just those that wait to be run, now or later.
    waiting: bool,
    conditions: Vec<Condition>,
}

struct Condition {
    says: String,
    unmet: Box<Unmet>,
}

/// What a job has instead, where it does not meet a condition.
type Unmet = dyn Fn(&TestJob) -> Option<String>;

impl Jobs {
    pub(super) fn new(flow: &str, all: Vec<TestJob>, waiting: bool) -> Self {
        Self { flow: flow.to_owned(), all, waiting, conditions: Vec::new() }
    }

    /// Those that were given this.
    pub fn request<T: FromPayload + PartialEq + fmt::Debug + 'static>(self, request: T) -> Self {
        let says = format!("the request {request:?}");
        self.with(says, move |job| match read::<T>(job) {
            Ok(other) => (other != request).then(|| "another request".into()),
            Err(why) => Some(why),
        })
    }

    /// Those that were given something that fits.
    pub fn request_where<T: FromPayload + 'static>(self, fits: impl Fn(&T) -> bool + 'static) -> Self {
        let says = format!("a request ({}) that fits", std::any::type_name::<T>());
        self.with(says, move |job| match read::<T>(job) {
            Ok(request) => (!fits(&request)).then(|| "a request that does not fit".into()),
            Err(why) => Some(why),
        })
    }

    /// Those of this owner.
    pub fn owner(self, owner: impl Into<String>) -> Self {
        let owner = owner.into();
        self.with(format!("the owner {owner:?}"), move |job| match job.owner() {
            Some(other) => (other != owner).then(|| format!("the owner {other:?}")),
            None => Some("no owner".into()),
        })
    }

    /// Those of this priority.
    pub fn priority(self, priority: i8) -> Self {
        self.with(format!("priority {priority}"), move |job| {
            (job.priority() != priority).then(|| format!("priority {}", job.priority()))
        })
    }

    /// Those that were put off and become ready after this long from now.
    pub fn run_in(self, delay: Duration) -> Self {
        self.with(format!("ready in {delay:?}"), move |job| match job.run_in() {
            Some(other) => (other != delay).then(|| format!("ready in {other:?}")),
            None => Some("not put off".into()),
        })
    }

    /// Those that were put off and become ready at this time of the test's clock.
    pub fn run_at(self, at: SystemTime) -> Self {
        let at = Stamp::from(at);
        self.with(format!("ready at {at}"), move |job| match job.run_at().map(Stamp::from) {
            Some(other) => (other != at).then(|| format!("ready at {other}")),
            None => Some("not put off".into()),
        })
    }

    /// Those in this state.
    pub fn state(self, state: State) -> Self {
        self.with(format!("{state}"), move |job| (job.state() != state).then(|| job.state().to_string()))
    }

    /// There is one such job, and no other: it is returned.
    ///
    /// # Panics
    /// There is none, or more than one.
    #[track_caller]
    pub fn assert_one(self) -> TestJob {
        let mut found = self.found();
        match (found.pop(), found.is_empty()) {
            (Some(job), true) => job,
            _ => panic!("{}", self.failure("one job")),
        }
    }

    /// There are so many such jobs: they are returned in the order in which they were made.
    ///
    /// # Panics
    /// There are more or fewer.
    #[track_caller]
    pub fn assert_count(self, jobs: usize) -> Vec<TestJob> {
        let found = self.found();
        if found.len() != jobs {
            panic!("{}", self.failure(&format!("{jobs} jobs")));
        }
        found
    }

    /// There is no such job.
    ///
    /// # Panics
    /// There is one.
    #[track_caller]
    pub fn assert_none(self) {
        if !self.found().is_empty() {
            panic!("{}", self.failure("no job"));
        }
    }

    /// Such jobs, in the order in which they were made.
    pub fn found(&self) -> Vec<TestJob> {
        self.candidates().filter(|job| self.unmet(job).is_none()).cloned().collect()
    }

    fn with(mut self, says: String, unmet: impl Fn(&TestJob) -> Option<String> + 'static) -> Self {
        self.conditions.push(Condition { says, unmet: Box::new(unmet) });
        self
    }

    fn candidates(&self) -> impl Iterator<Item = &TestJob> {
        self.all.iter().filter(|job| !self.waiting || job.is_waiting())
    }

    fn unmet(&self, job: &TestJob) -> Option<String> {
        self.conditions.iter().find_map(|condition| (condition.unmet)(job))
    }

    fn failure(&self, expected: &str) -> String {
        let found = self.found().len();
        let mut text = format!("expected: {expected} of `{}`", self.flow);
        if self.waiting {
            text.push_str(" waiting to be run");
        }
        for (index, condition) in self.conditions.iter().enumerate() {
            text.push_str(if index == 0 { " with " } else { ", " });
            text.push_str(&condition.says);
        }
        text.push_str(&format!("\nfound:    {}", if found == 0 { "none".into() } else { found.to_string() }));
        for job in self.candidates() {
            match self.unmet(job) {
                None => text.push_str(&format!("\n  this one: {job}")),
                Some(instead) => text.push_str(&format!("\n  not this one, which has {instead}: {job}")),
            }
        }
        for job in self.all.iter().filter(|job| self.waiting && !job.is_waiting()) {
            text.push_str(&format!("\n  not waiting any more: {job}"));
        }
        text
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says: Vec<_> = self.conditions.iter().map(|condition| &condition.says).collect();
        f.debug_struct("Jobs").field("flow", &self.flow).field("conditions", &says).field("all", &self.all).finish()
    }
}

/// The request as this type; or what it is instead.
fn read<T: FromPayload>(job: &TestJob) -> Result<T, String> {
    let part = job.request.as_ref().ok_or("no request any more")?;
    T::from_payload(part).map_err(|error| format!("a request that is no {} ({error})", std::any::type_name::<T>()))
}
