use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    answers::Answer,
    endpoint::Endpoint,
    fault::{Fault, Kind, Times},
    grant::Grant,
    target::Target,
};

/// Reads a fault from JSON: `{"kind": …}`, the parameters of the kind, and those of all faults.
pub(super) fn parse(mut request: Value) -> Result<Fault, String> {
    let Value::Object(fields) = &mut request else {
        return Err("a fault is a JSON object".to_owned());
    };
    let common = ["endpoint", "grant", "user", "session", "organization", "times", "members"];
    let common = common.into_iter().chain(["retry_after", "retry_after_date"]);
    let common: Map<String, Value> =
        common.filter_map(|name| Some((name.to_owned(), fields.remove(name)?))).collect();
    let common: Common =
        serde_json::from_value(Value::Object(common)).map_err(|error| error.to_string())?;
    let kind: FaultKind = serde_json::from_value(request).map_err(|error| error.to_string())?;
    common.complete(kind.into_fault()?)
}

/// The parameters of all faults.
#[derive(Deserialize)]
struct Common {
    endpoint: Option<String>,
    grant: Option<String>,
    user: Option<String>,
    session: Option<String>,
    organization: Option<String>,
    times: Option<Value>,
    #[serde(default)]
    members: Map<String, Value>,
    retry_after: Option<f64>,
    retry_after_date: Option<f64>,
}

impl Common {
    fn complete(self, mut fault: Fault) -> Result<Fault, String> {
        let has_head = matches!(fault.kind, Kind::Instead(_));
        if !has_head && (self.retry_after.is_some() || self.retry_after_date.is_some()) {
            return Err("only an answer of its own can have a Retry-After".to_owned());
        }
        if let Some(seconds) = self.retry_after {
            fault = fault.retry_after(duration(seconds)?);
        }
        if let Some(seconds) = self.retry_after_date {
            fault = fault.retry_after_date(duration(seconds)?);
        }
        for (name, value) in self.members {
            fault = fault.try_member(&name, value).ok_or("only a JSON object has members")?;
        }
        let mut target = match self.endpoint {
            Some(named) => Endpoint::ALL
                .into_iter()
                .find(|endpoint| endpoint.name() == named)
                .map(Target::from)
                .ok_or_else(|| format!("there is no endpoint {named}"))?,
            None => fault.target.clone(),
        };
        if let Some(named) = self.grant {
            let grant = Grant::ALL.into_iter().find(|grant| grant.name() == named);
            target = target.grant(grant.ok_or_else(|| format!("there is no grant {named}"))?);
        }
        if let Some(user) = self.user {
            target = target.user(user);
        }
        if let Some(session) = self.session {
            target = target.session(session);
        }
        if let Some(organization) = self.organization {
            target = target.organization(organization);
        }
        fault = fault.on(target);
        match self.times {
            None => {}
            Some(times) if times == "until_cleared" => fault.times = Times::UntilCleared,
            Some(times) => {
                let count = times.as_u64().and_then(|count| u32::try_from(count).ok());
                let count = count.ok_or("times is a number or \"until_cleared\"")?;
                fault.times = Times::Count(count);
            }
        }
        Ok(fault)
    }
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum FaultKind {
    Answer {
        answer: String,
    },
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
    Swallow {},
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
    Claims {
        #[serde(default)]
        claims: Map<String, Value>,
        #[serde(default)]
        without: Vec<String>,
    },
    Fields {
        #[serde(default)]
        fields: Map<String, Value>,
        #[serde(default)]
        without: Vec<String>,
    },
    StrictRotation {},
    NewSessionId {},
    NoRefreshToken {},
}

impl FaultKind {
    fn into_fault(self) -> Result<Fault, String> {
        Ok(match self {
            Self::Answer { answer } => Answer::named(&answer)
                .ok_or_else(|| format!("there is no answer named {answer}"))?
                .fault(),
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
            Self::Swallow {} => Fault::swallow(),
            Self::Truncated {} => Fault::truncated(),
            Self::Slow { bytes: 0, .. } => return Err("bytes is at least 1".to_owned()),
            Self::Slow { bytes, seconds } => Fault::slow(bytes, duration(seconds)?),
            Self::WrongJson {} => Fault::wrong_json(),
            Self::Html {} => Fault::html(),
            Self::Huge { bytes } => Fault::huge(bytes),
            Self::ClockAhead { seconds } => Fault::clock_ahead(duration(seconds)?),
            Self::ClockBehind { seconds } => Fault::clock_behind(duration(seconds)?),
            Self::Claims { claims, without } => {
                let fault = Fault::claims(Value::Object(claims));
                without.iter().fold(fault, |fault, name| fault.without(name))
            }
            Self::Fields { fields, without } => {
                let fault = Fault::fields(Value::Object(fields));
                without.iter().fold(fault, |fault, name| fault.without(name))
            }
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

    #[test]
    fn every_kind_can_be_asked_for() {
        let cases = [
            (json!({ "kind": "answer", "answer": "10" }), "status"),
            (
                json!({ "kind": "status", "status": 429, "headers": { "retry-after": "1" }, "body": { "message": "slow down" } }),
                "status",
            ),
            (json!({ "kind": "latency", "seconds": 0.5 }), "latency"),
            (json!({ "kind": "late_reply", "seconds": 0.5 }), "late_reply"),
            (json!({ "kind": "reset_before" }), "reset_before"),
            (json!({ "kind": "reset_after" }), "reset_after"),
            (json!({ "kind": "swallow" }), "swallow"),
            (json!({ "kind": "truncated" }), "truncated"),
            (json!({ "kind": "slow", "bytes": 10, "seconds": 0.1 }), "slow"),
            (json!({ "kind": "wrong_json" }), "status"),
            (json!({ "kind": "html" }), "status"),
            (json!({ "kind": "huge", "bytes": 5_000_000 }), "huge"),
            (json!({ "kind": "clock_ahead", "seconds": 60 }), "clock_ahead"),
            (json!({ "kind": "clock_behind", "seconds": 60 }), "clock_behind"),
            (json!({ "kind": "claims", "claims": { "exp": "x" }, "without": ["sub"] }), "claims"),
            (json!({ "kind": "fields", "fields": { "user": 5 }, "without": ["x"] }), "fields"),
            (json!({ "kind": "strict_rotation" }), "strict_rotation"),
            (json!({ "kind": "new_session_id" }), "new_session_id"),
            (json!({ "kind": "no_refresh_token" }), "fields"),
        ];
        for (request, expected) in cases {
            let fault = parse(request.clone()).unwrap();
            assert_eq!(fault.kind.name(), expected, "{request}");
            assert_eq!(fault.target.to_json(), json!({ "endpoint": "authenticate" }), "{request}");
            assert_eq!(fault.times, Times::Count(1), "{request}");
        }
    }

    #[test]
    fn the_target_and_the_count_are_read() {
        let target = json!({
            "endpoint": "authenticate", "grant": "refresh_token", "user": "a@b.c", "session": "session_1", "organization": "org_1",
        });
        let mut request = target.clone();
        request["kind"] = json!("reset_after");
        request["times"] = json!("until_cleared");
        let fault = parse(request).unwrap();
        assert_eq!((fault.target.to_json(), fault.times), (target, Times::UntilCleared));
        assert!(matches!(fault.kind, Kind::ResetAfter));

        let revoke = parse(json!({ "kind": "answer", "answer": "revoke-400" })).unwrap();
        assert_eq!(revoke.target.to_json(), json!({ "endpoint": "revoke" }), "where it belongs");
        let moved =
            parse(json!({ "kind": "answer", "answer": "revoke-400", "endpoint": "jwks" })).unwrap();
        assert_eq!(moved.target.to_json(), json!({ "endpoint": "jwks" }));
    }

    #[test]
    fn mistakes_are_named() {
        for (request, problem) in [
            (json!([]), "JSON object"),
            (json!({ "kind": "flood" }), "flood"),
            (json!({ "kind": "html", "tiems": 2 }), "tiems"),
            (json!({ "kind": "html", "times": -1 }), "times"),
            (json!({ "kind": "html", "endpoint": "nowhere" }), "nowhere"),
            (json!({ "kind": "html", "grant": "implicit" }), "implicit"),
            (json!({ "kind": "html", "members": { "a": 1 } }), "JSON object"),
            (json!({ "kind": "swallow", "retry_after": 1 }), "Retry-After"),
            (json!({ "kind": "html", "retry_after": -1 }), "seconds"),
            (json!({ "kind": "answer", "answer": "59" }), "59"),
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
