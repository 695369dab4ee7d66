//! Failures that no handler brings about.

use std::time::Duration;

use asyncflow_core::{FlowOptions, Role, State};
use serde_json::Value;

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("an attempt over its time is an error of type TimedOut", timed_out);
    cases.add("a result that cannot be encoded is an error of type UnencodableResult", unencodable);
    cases.add("a result over its limit is an error of type ResultTooLarge", too_large);
    cases.add("a job that is put off too often is an error of type SnoozedTooOften", snoozed);
    cases.add("a job that waited too long for a worker is an error of type Expired", expired);
    cases.add("a request that its worker cannot read is an error of type UndecodableRequest", undecodable);
    cases.add("a job whose workers were lost is an error of type WorkerLost", lost);
}

/// The job's error is of this type, and its result is the problem of a failed job.
async fn failed_as(t: &Probe, flow: &str, id: &str, kind: &str) {
    t.reached(flow, id, State::Failed).await;
    t.send(Request::get(format!("/{flow}/{id}/error"))).await.is(200).says("/Error/Type", kind);
    t.send(Request::get(format!("/{flow}/{id}/result"))).await.problem(404, "job-failed");
}

async fn timed_out(t: Probe) {
    let id = t.failed("brief").await;
    failed_as(&t, "brief", &id, "TimedOut").await;
}

async fn unencodable(t: Probe) {
    let id = t.failed("unencodable").await;
    failed_as(&t, "unencodable", &id, "UnencodableResult").await;
}

async fn too_large(t: Probe) {
    let id = t.failed("large").await;
    failed_as(&t, "large", &id, "ResultTooLarge").await;
}

async fn snoozed(t: Probe) {
    let id = t.failed("snoozing").await;
    failed_as(&t, "snoozing", &id, "SnoozedTooOften").await;
}

async fn expired(t: Probe) {
    let _running = t.puppet("hasty").await;
    let id = t.failed("hasty").await;
    failed_as(&t, "hasty", &id, "Expired").await;
}

async fn undecodable(t: Probe) {
    // A node that takes anything for the flow, which the node that runs it does not.
    let options = FlowOptions::new();
    let other = t.on(t.world.bare_node().role(Role::Serve).remote::<Value, Value>("items", options)).await;
    let id = other.send(Request::post("/items").json(r#"{"items":1}"#)).await.is(202).id();
    failed_as(&t, "items", &id, "UndecodableRequest").await;
}

async fn lost(t: Probe) {
    let node = t.world.bare_node().lease(Duration::from_secs(1)).role(Role::Serve);
    let t = t.on(node.remote::<Value, Value>("elsewhere", FlowOptions::new().max_crashes(1))).await;
    let id = t.job("elsewhere").await;
    t.world.lose("elsewhere", &id).await;
    failed_as(&t, "elsewhere", &id, "WorkerLost").await;
}
