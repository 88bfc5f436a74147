use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    endpoint::Endpoint,
    faults::{Fault, Times},
};

/// Reads a fault from JSON: `{"kind": …, "endpoint": …, "times": …}` and what the kind needs.
pub(super) fn parse(request: Value) -> Result<Fault, String> {
    let Value::Object(mut fields) = request else {
        return Err("a fault is a JSON object".to_owned());
    };
    let endpoint = fields.remove("endpoint");
    let times = fields.remove("times");
    let kind: FaultKind =
        serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
    let mut fault = kind.into_fault()?;
    if let Some(endpoint) = endpoint {
        let named = Endpoint::ALL.into_iter().find(|known| endpoint == known.name());
        fault = fault.on(named.ok_or_else(|| format!("there is no endpoint {endpoint}"))?);
    }
    match times {
        None => {}
        Some(times) if times == "until_cleared" => fault.times = Times::UntilCleared,
        Some(times) => {
            let count = times.as_u64().and_then(|count| u32::try_from(count).ok());
            fault.times = Times::Count(count.ok_or("times is a number or \"until_cleared\"")?);
        }
    }
    Ok(fault)
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum FaultKind {
    Status {
        status: u16,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[serde(default)]
        body: Value,
    },
    Latency {
        seconds: f64,
    },
    LateReply {
        seconds: f64,
    },
    ResetBefore {},
    ResetAfter {},
    Truncated {},
    Slow {
        bytes: usize,
        seconds: f64,
    },
    WrongJson {},
    Html {},
    Huge {
        bytes: usize,
    },
    ClockAhead {
        seconds: f64,
    },
    ClockBehind {
        seconds: f64,
    },
    StrictRotation {},
    NewSessionId {},
    NoRefreshToken {},
}

impl FaultKind {
    fn into_fault(self) -> Result<Fault, String> {
        Ok(match self {
            Self::Status { status, headers, body } => {
                let mut fault =
                    Fault::try_status(status).ok_or("status is a final status code, 200 to 999")?;
                for (name, value) in &headers {
                    fault = fault
                        .try_header(name, value)
                        .ok_or_else(|| format!("`{name}` is not a valid header"))?;
                }
                match body {
                    Value::Null => fault,
                    Value::String(text) => fault.body(text),
                    json => fault.header("content-type", "application/json").body(json.to_string()),
                }
            }
            Self::Latency { seconds } => Fault::latency(duration(seconds)?),
            Self::LateReply { seconds } => Fault::late_reply(duration(seconds)?),
            Self::ResetBefore {} => Fault::reset_before(),
            Self::ResetAfter {} => Fault::reset_after(),
            Self::Truncated {} => Fault::truncated(),
            Self::Slow { bytes: 0, .. } => return Err("bytes is at least 1".to_owned()),
            Self::Slow { bytes, seconds } => Fault::slow(bytes, duration(seconds)?),
            Self::WrongJson {} => Fault::wrong_json(),
            Self::Html {} => Fault::html(),
            Self::Huge { bytes } => Fault::huge(bytes),
            Self::ClockAhead { seconds } => Fault::clock_ahead(duration(seconds)?),
            Self::ClockBehind { seconds } => Fault::clock_behind(duration(seconds)?),
            Self::StrictRotation {} => Fault::strict_rotation(),
            Self::NewSessionId {} => Fault::new_session_id(),
            Self::NoRefreshToken {} => Fault::no_refresh_token(),
        })
    }
}

fn duration(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| "seconds is a number that is not negative".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::faults::Kind;

    #[test]
    fn every_kind_can_be_asked_for() {
        let cases = [
            json!({ "kind": "status", "status": 429, "headers": { "retry-after": "1" }, "body": { "message": "slow down" } }),
            json!({ "kind": "latency", "seconds": 0.5 }),
            json!({ "kind": "late_reply", "seconds": 0.5 }),
            json!({ "kind": "reset_before" }),
            json!({ "kind": "reset_after" }),
            json!({ "kind": "truncated" }),
            json!({ "kind": "slow", "bytes": 10, "seconds": 0.1 }),
            json!({ "kind": "wrong_json" }),
            json!({ "kind": "html" }),
            json!({ "kind": "huge", "bytes": 5_000_000 }),
            json!({ "kind": "clock_ahead", "seconds": 60 }),
            json!({ "kind": "clock_behind", "seconds": 60 }),
            json!({ "kind": "strict_rotation" }),
            json!({ "kind": "new_session_id" }),
            json!({ "kind": "no_refresh_token" }),
        ];
        for request in cases {
            let name = request["kind"].clone();
            let fault = parse(request).unwrap();
            let expected = match name.as_str() {
                Some("wrong_json" | "html") => "status",
                name => name.unwrap_or_default(),
            };
            assert_eq!(fault.kind.name(), expected, "{name}");
            assert_eq!(
                (fault.endpoint, fault.times),
                (Endpoint::Authenticate, Times::Count(1)),
                "{name}"
            );
        }
    }

    #[test]
    fn the_endpoint_and_the_count_are_read() {
        let fault =
            parse(json!({ "kind": "reset_after", "endpoint": "jwks", "times": "until_cleared" }))
                .unwrap();
        assert_eq!((fault.endpoint, fault.times), (Endpoint::Jwks, Times::UntilCleared));
        assert!(matches!(fault.kind, Kind::ResetAfter));
    }

    #[test]
    fn mistakes_are_named() {
        for (request, problem) in [
            (json!([]), "JSON object"),
            (json!({ "kind": "flood" }), "flood"),
            (json!({ "kind": "html", "tiems": 2 }), "tiems"),
            (json!({ "kind": "html", "times": -1 }), "times"),
            (json!({ "kind": "html", "endpoint": "nowhere" }), "nowhere"),
            (json!({ "kind": "status", "status": 99 }), "status"),
            (json!({ "kind": "status", "status": 503, "headers": { "a b": "c" } }), "a b"),
            (json!({ "kind": "latency", "seconds": -1 }), "seconds"),
            (json!({ "kind": "slow", "bytes": 0, "seconds": 1 }), "bytes"),
        ] {
            let error = parse(request.clone()).unwrap_err();
            assert!(error.contains(problem), "{request}: {error}");
        }
    }
}
