//! Which refusal comes first, where there is reason for several.

use super::{Cases, Probe, Request, UNKNOWN, owners};

pub(super) fn cases(cases: &mut Cases) {
    cases.add(
        "refusals come in their order: path, method, owner, type, key, length, body, reused key, quota, room",
        ladder,
    );
    cases.add("a declared length is looked at before the body, a streamed one as it comes", length_before_body);
    cases.add("a key is looked at before the body comes, where a chunked one has no type", key_before_chunks);
    cases.add("no job is looked up for a caller who is refused", owner_before_look_up);
}

/// One request that is wrong in every way, mended step by step.
async fn ladder(t: Probe) {
    let t = t.serve(t.service().owner(owners)).await;
    let anna = |request: Request| request.with("x-owner", "anna");
    // Both limits of the flow are reached: anna's, and everybody's.
    let running = t.send(anna(Request::post("/narrow").json("0"))).await.is(202).id();
    let _running = t.attach(&running).await;
    let first = anna(Request::post("/narrow").with("idempotency-key", "used")).json("1");
    let first = t.send(first).await.is(202).id();
    t.send(Request::post("/narrow").with("x-owner", "bert").json("0")).await.is(202);

    let wrong = |method: &str, path: &str, owner: &str| Request::new(method, path).with("x-owner", owner);
    let broken = |request: Request, content_type: &str, key: &str| {
        request.with("content-type", content_type).with("idempotency-key", key)
    };
    let too_long = |request: Request| request.with("content-length", "9999999");

    let request = wrong("PUT", "/nope", "nobody");
    t.send(too_long(broken(request, "text/csv", ""))).await.problem(404, "not-found");
    let request = wrong("PUT", "/narrow", "nobody");
    t.send(too_long(broken(request, "text/csv", ""))).await.problem(405, "method-not-allowed");
    let request = wrong("POST", "/narrow", "nobody");
    t.send(too_long(broken(request, "text/csv", ""))).await.problem(401, "unauthorized");
    let request = wrong("POST", "/narrow", "eve");
    t.send(too_long(broken(request, "text/csv", ""))).await.problem(403, "forbidden");
    let request = wrong("POST", "/narrow", "anna");
    t.send(too_long(broken(request, "text/csv", ""))).await.problem(415, "unsupported-media-type");
    let request = wrong("POST", "/narrow", "anna");
    t.send(too_long(broken(request, "application/json", ""))).await.problem(400, "invalid-idempotency-key");
    let request = wrong("POST", "/narrow", "anna");
    t.send(too_long(broken(request, "application/json", "used"))).await.problem(413, "body-too-large");
    let request = || broken(wrong("POST", "/narrow", "anna"), "application/json", "used");
    t.send(request().body("{")).await.problem(400, "invalid-json");
    t.send(request().body("\"x\"")).await.problem(422, "invalid-request");
    t.send(request().body("2")).await.problem(422, "idempotency-key-reused");
    // A repeated request makes no job, so it needs no room.
    t.send(request().body("1")).await.is(202).says("/RequestId", first);
    let fresh = |owner: &str| broken(wrong("POST", "/narrow", owner), "application/json", "fresh").body("3");
    t.send(fresh("anna")).await.problem(429, "over-quota").has("retry-after", "1");
    t.send(fresh("carl")).await.problem(503, "too-many-waiting");
}

async fn length_before_body(t: Probe) {
    let declared = Request::post("/small").with("content-type", "application/json").with("content-length", "2000");
    t.send(declared.raw("{{{{")).await.problem(413, "body-too-large");
    let streamed = Request::post("/small").with("content-type", "application/json");
    t.send(streamed.chunked(&[b"{{{{"])).await.problem(400, "invalid-json");
}

async fn key_before_chunks(t: Probe) {
    let request = Request::post("/echo").with("idempotency-key", "").with("transfer-encoding", "chunked");
    t.send(request.clone()).await.problem(400, "invalid-idempotency-key");
    t.send(request.raw("1\r\n1\r\n")).await.problem(400, "invalid-idempotency-key");
}

async fn owner_before_look_up(t: Probe) {
    let id = t.done("echo", "1").await;
    let t = t.serve(t.service().owner(owners)).await;
    for id in [UNKNOWN, "x", &id] {
        for request in [
            Request::get(format!("/echo/{id}")),
            Request::get(format!("/echo/{id}/status")),
            Request::get(format!("/echo/{id}/result")),
            Request::get(format!("/echo/{id}/error")),
            Request::delete(format!("/echo/{id}")),
            Request::post(format!("/echo/{id}/cancel")),
        ] {
            t.send(request.clone()).await.problem(401, "unauthorized");
            t.send(request.with("x-owner", "eve")).await.problem(403, "forbidden");
        }
    }
}
