//! How far a running job says it is.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a handler reports while it runs: a text, a percentage, and anything else that is serialisable.
///
/// ```
/// # use asyncflow_core::Progress;
/// let progress = Progress::new("Generating Data").percentage(90).data(&serde_json::json!({ "rows": 12 }));
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    percentage: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    data: Option<Box<RawValue>>,
}

impl Progress {
    /// A report with this text alone.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Adds how much is done, in per cent; what is no finite number is left out.
    pub fn percentage(mut self, percentage: impl Into<f64>) -> Self {
        self.percentage = Some(percentage.into()).filter(|p| p.is_finite());
        self
    }

    /// Adds anything else, as JSON; what cannot be written as JSON is left out, since a report never fails its job.
    pub fn data(mut self, data: &impl Serialize) -> Self {
        self.data = serde_json::value::to_raw_value(data).ok();
        self
    }

    /// The report's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How much is done, in per cent, where that was said.
    pub fn done(&self) -> Option<f64> {
        self.percentage
    }

    /// The report's further data, as JSON text.
    pub fn extra(&self) -> Option<&str> {
        self.data.as_deref().map(RawValue::get)
    }
}

impl PartialEq for Progress {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.percentage, self.extra()) == (&other.text, other.percentage, other.extra())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_left_out() {
        let progress = Progress::new("x").percentage(f64::NAN).data(&std::collections::HashMap::from([((1, 2), 3)]));
        assert_eq!(progress, Progress::new("x"));
    }

    #[test]
    fn a_report_survives_its_encoding() {
        let progress = Progress::new("half").percentage(50).data(&[1, 2]);
        let bytes = serde_json::to_vec(&progress).unwrap();
        assert_eq!(serde_json::from_slice::<Progress>(&bytes).unwrap(), progress);
    }
}
