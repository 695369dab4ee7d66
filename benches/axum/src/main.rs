//! What a good Rust developer writes by hand in an afternoon: axum 0.8, DashMap, tokio::spawn, serde types.
//! BENCH_PAUSE=1: jobs are accepted and never run (memory of a waiting job).
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use chrono::{DateTime, SecondsFormat, Utc};
use dashmap::DashMap;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

#[derive(Clone, Copy, Serialize, PartialEq)]
enum Status {
    Enqueued,
    Processing,
    Succeeded,
    Failed,
}

struct Job {
    created_at: DateTime<Utc>,
    #[allow(dead_code)]
    request: Value,
    status: Status,
    result: Option<Value>,
    error: Option<String>,
}

static PAUSE: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| std::env::var_os("BENCH_PAUSE").is_some());

type Jobs = Arc<DashMap<Uuid, Job>>;

fn rfc3339<S: Serializer>(t: &DateTime<Utc>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&t.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Accepted {
    request_id: Uuid,
    #[serde(serialize_with = "rfc3339")]
    date_time: DateTime<Utc>,
}

#[derive(Serialize)]
struct StatusBody {
    #[serde(rename = "RequestId")]
    request_id: Uuid,
    #[serde(rename = "Status")]
    status: Status,
    #[serde(rename = "CreatedAt", serialize_with = "rfc3339")]
    created_at: DateTime<Utc>,
    #[serde(rename = "progressData")]
    progress: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorInfo {
    r#type: &'static str,
    message: String,
    stack_trace: Option<String>,
}
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody {
    job_id: Uuid,
    error: ErrorInfo,
}

async fn echo(request: Value) -> Result<Value, String> {
    match request.get("fail").and_then(Value::as_str) {
        Some(why) => Err(why.to_owned()),
        None => Ok(request),
    }
}

async fn enqueue(State(jobs): State<Jobs>, Json(request): Json<Value>) -> impl IntoResponse {
    let id = Uuid::now_v7();
    let now = Utc::now();
    jobs.insert(
        id,
        Job { created_at: now, request: request.clone(), status: Status::Enqueued, result: None, error: None },
    );
    tokio::spawn(async move {
        if *PAUSE {
            std::future::pending::<()>().await;
        }
        if let Some(mut j) = jobs.get_mut(&id) {
            j.status = Status::Processing;
        }
        let out = echo(request).await;
        if let Some(mut j) = jobs.get_mut(&id) {
            match out {
                Ok(v) => {
                    j.status = Status::Succeeded;
                    j.result = Some(v);
                }
                Err(e) => {
                    j.status = Status::Failed;
                    j.error = Some(e);
                }
            }
        }
    });
    (StatusCode::ACCEPTED, Json(Accepted { request_id: id, date_time: now }))
}

async fn status(State(jobs): State<Jobs>, Path(id): Path<Uuid>) -> Response {
    match jobs.get(&id) {
        Some(j) => Json(StatusBody { request_id: id, status: j.status, created_at: j.created_at, progress: None })
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn result(State(jobs): State<Jobs>, Path(id): Path<Uuid>) -> Response {
    match jobs.get(&id) {
        Some(j) => match &j.result {
            Some(v) => Json(v).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn error(State(jobs): State<Jobs>, Path(id): Path<Uuid>) -> Response {
    match jobs.get(&id) {
        Some(j) => match &j.error {
            Some(e) => Json(ErrorBody {
                job_id: id,
                error: ErrorInfo { r#type: "EchoError", message: e.clone(), stack_trace: None },
            })
            .into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        },
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn remove(State(jobs): State<Jobs>, Path(id): Path<Uuid>) -> StatusCode {
    match jobs.remove(&id) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

#[tokio::main]
async fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|p| p.parse().ok()).expect("PORT");
    let app = Router::new()
        .route("/echo", post(enqueue))
        .route("/echo/{id}/status", get(status))
        .route("/echo/{id}/result", get(result))
        .route("/echo/{id}/error", get(error))
        .route("/echo/{id}", delete(remove))
        .with_state(Jobs::default());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    println!("READY");
    axum::serve(listener, app).await.unwrap();
}
