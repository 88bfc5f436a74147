use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use axum::{Json, extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::{EmulatorClock, timestamp},
    config::Rotation,
    rate_limit::RateLimit,
    routes::control::unprocessable,
    state::Shared,
};

/// `GET /_emulator/clock`.
pub(super) async fn clock(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(reading(&shared.lock().clock))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Advance {
    advance: f64,
}

/// `POST /_emulator/clock`: moves the clock forward, and answers like the `GET`.
pub(super) async fn advance(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<Advance>,
) -> Result<Json<Value>, Response> {
    let by = Duration::try_from_secs_f64(request.advance)
        .map_err(|_| unprocessable("advance is a number of seconds, and time goes forward only"))?;
    let clock = shared.lock().clock.clone();
    clock.advance(by);
    Ok(Json(reading(&clock)))
}

fn reading(clock: &EmulatorClock) -> Value {
    let (now, monotonic) = (clock.now(), clock.monotonic());
    json!({
        "now": timestamp(now),
        "unix_ms": milliseconds(now.duration_since(UNIX_EPOCH).unwrap_or_default()),
        "monotonic_ms": milliseconds(monotonic),
        "advanced_ms": milliseconds(clock.advanced()),
        "frozen": clock.is_frozen(),
    })
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    token_ttl: Option<u64>,
    replay_grace: Option<u64>,
    rate_limit: Option<ChangedLimit>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ChangedLimit {
    /// `"workos"` or `"off"`.
    Named(String),
    Numbers {
        writes: u32,
        reads: u32,
        window: f64,
    },
}

impl ChangedLimit {
    fn limit(self) -> Result<Option<RateLimit>, &'static str> {
        match self {
            Self::Named(name) if name == "workos" => Ok(Some(RateLimit::WORKOS)),
            Self::Named(name) if name == "off" => Ok(None),
            Self::Named(_) => Err("rate_limit is \"workos\", \"off\", or numbers"),
            Self::Numbers { writes, reads, window } => {
                let window = Duration::try_from_secs_f64(window)
                    .map_err(|_| "window is a number of seconds")?;
                Ok(Some(RateLimit::new(writes, reads, window)))
            }
        }
    }
}

/// `POST /_emulator/settings`.
pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<Change>,
) -> Result<StatusCode, Response> {
    let limit = request.rate_limit.map(ChangedLimit::limit).transpose();
    let limit = limit.map_err(unprocessable)?;
    let mut state = shared.lock();
    if let Some(limit) = limit {
        state.limiter.set(limit);
    }
    if let Some(seconds) = request.token_ttl {
        state.token_ttl = Duration::from_secs(seconds);
    }
    match request.replay_grace {
        Some(0) => state.rotation = Rotation::Strict,
        Some(seconds) => state.rotation = Rotation::Grace(Duration::from_secs(seconds)),
        None => {}
    }
    Ok(StatusCode::NO_CONTENT)
}
