//! What an error shows, as it is set.

use asyncflow_tower::ErrorDetail;

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("in full, an error shows its causes, and of a panic the text and the place", full);
    cases.add("the message alone has a stack trace that is null", message);
    cases.add("an opaque error has a fixed type and message", opaque);
}

async fn full(t: Probe) {
    let full = t.serve(t.service().error_detail(ErrorDetail::Full)).await;
    let id = t.failed("failing").await;
    let answer = full.quietly(Request::get(format!("/failing/{id}/error"))).await;
    answer.is(200).says("/Error/Type", "OrderError").says("/Error/Message", "the order cannot be placed");
    let trace = answer.at("/Error/StackTrace").as_str().unwrap_or_default().to_owned();
    let chain = "OrderError: the order cannot be placed\ncaused by: the price is unknown\ncaused by: no such item";
    answer.expect(trace.starts_with(chain), "a stack trace that starts with the chain of causes");

    let job = t.puppet("puppet").await;
    job.panic("the reactor is hot");
    t.ended("puppet", job.id()).await;
    let answer = full.quietly(Request::get(job.path("error"))).await;
    answer.is(200).says("/Error/Type", "Panicked");
    let told = String::from_utf8_lossy(&answer.body);
    answer.expect(told.contains("the reactor is hot") && told.contains(".rs:"), "the panic's text and place");
}

async fn message(t: Probe) {
    let t = t.serve(t.service().error_detail(ErrorDetail::Message)).await;
    let id = t.failed("failing").await;
    let answer = t.send(Request::get(format!("/failing/{id}/error"))).await;
    let error = r#"{"Type":"OrderError","Message":"the order cannot be placed","StackTrace":null}"#;
    answer.is(200).reads(&format!(r#"{{"JobId":"<id1>","Error":{error}}}"#));
}

async fn opaque(t: Probe) {
    let t = t.serve(t.service().error_detail(ErrorDetail::Opaque)).await;
    let [failed, timed_out] = [("failing", t.failed("failing").await), ("brief", t.failed("brief").await)];
    let mut known = None;
    for (flow, id) in [failed, timed_out] {
        let answer = t.send(Request::get(format!("/{flow}/{id}/error"))).await;
        answer.is(200).says("/JobId", id);
        let told = answer.at("/Error");
        answer.expect(known.as_ref().is_none_or(|known| *known == told), "the same whatever went wrong");
        answer.expect(told["Type"].is_string() && told["Message"].is_string(), "a type and a message");
        let text = told.to_string();
        answer.expect(!text.contains("order") && !text.contains("Order"), "nothing of the handler's error");
        known = Some(told);
    }
}
