//! Lambda's runtime API (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).

use std::{
    collections::HashMap,
    process::{Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http::Request;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::Child,
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    time::timeout,
};

use crate::gateway::{self, Gateway};

/// A process of the function. It runs while it has a request, and is stopped otherwise; it ends with the test.
pub(crate) struct Lambda {
    _process: Child,
    requests: mpsc::UnboundedSender<Invocation>,
    gateway: Gateway,
    host: String,
}

struct Invocation {
    event: Value,
    response: oneshot::Sender<Value>,
}

struct RuntimeApi {
    process_id: OnceLock<String>,
    requests: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    under_way: Mutex<HashMap<String, oneshot::Sender<Value>>>,
}

impl Lambda {
    /// Starts the function with these variables.
    pub(crate) async fn start(
        gateway: Gateway,
        origin: &str,
        variables: Vec<(&'static str, String)>,
    ) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (requests, received) = mpsc::unbounded_channel();
        let api = Arc::new(RuntimeApi {
            process_id: OnceLock::new(),
            requests: AsyncMutex::new(received),
            under_way: Mutex::default(),
        });
        let process = tokio::process::Command::new(env!("CARGO_BIN_EXE_lambda-app"))
            .env_clear()
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "lambda-app")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        api.process_id.set(process.id().unwrap().to_string()).unwrap();
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(respond))
            .layer(DefaultBodyLimit::disable())
            .with_state(api);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let host = origin.strip_prefix("https://").unwrap().to_owned();
        Arc::new(Self { _process: process, requests, gateway, host })
    }

    /// Sends a request as the gateway passes it on.
    pub(crate) async fn invoke(self: Arc<Self>, request: Request<Bytes>) -> http::Response<Bytes> {
        let (response, responded) = oneshot::channel();
        let event = self.gateway.event(&request, &self.host);
        self.requests.send(Invocation { event, response }).expect("the runtime API runs");
        let answer = timeout(PATIENCE, responded).await.expect("the function answers in time");
        gateway::response_of(&answer.expect("the runtime API runs"))
    }
}

impl RuntimeApi {
    fn signal(&self, signal: &str) {
        let id = self.process_id.get().unwrap();
        assert!(Command::new("kill").args([signal, id]).status().unwrap().success(), "{signal}");
    }
}

/// The function asks for work. It is stopped until there is some.
async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    api.signal("-STOP");
    let invocation = api.requests.lock().await.recv().await;
    api.signal("-CONT");
    let Invocation { event, response } = invocation.expect("the test ends the function first");
    let id = api.under_way.lock().unwrap().len().to_string();
    let head = [
        ("lambda-runtime-aws-request-id", id.clone()),
        ("lambda-runtime-deadline-ms", "9999999999999".to_owned()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu:1:function:app".to_owned()),
    ];
    api.under_way.lock().unwrap().insert(id, response);
    (head, Json(event)).into_response()
}

async fn respond(
    State(api): State<Arc<RuntimeApi>>,
    Path(id): Path<String>,
    response: Bytes,
) -> http::StatusCode {
    let waiting = api.under_way.lock().unwrap().remove(&id).unwrap();
    // The test may have ended.
    let _ = waiting.send(serde_json::from_slice(&response).unwrap());
    http::StatusCode::ACCEPTED
}

/// How long a test waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
