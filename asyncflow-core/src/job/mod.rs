//! What a job is: its ids, its record, its progress, its error.

mod error;
mod id;
mod progress;
mod record;
mod stamp;

pub use error::JobError;
pub(crate) use error::bounded;
pub use id::{InvalidJobId, JobId, JobKey, Token};
pub use progress::Progress;
pub use record::{Mark, Record, State, Tally};
pub use stamp::Stamp;
