//! Seals and unseals with the official crate `workos`; the protocol is in `tests/peers/README.md`.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io;

use serde_json::{Value, json};
use workos::helpers::{SessionData, seal_session, unseal_session};

fn main() -> Result<(), Box<dyn Error>> {
    let requests: Vec<Value> = serde_json::from_reader(io::stdin())?;
    let answers: Vec<Value> = requests
        .iter()
        .map(|request| match answer(request) {
            Ok(ok) => json!({ "ok": ok }),
            Err(error) => json!({ "error": error.to_string() }),
        })
        .collect();
    println!("{}", Value::Array(answers));
    Ok(())
}

/// Goes through the SDK's own session type, as its `SessionManager` does.
fn answer(request: &Value) -> Result<Value, Box<dyn Error>> {
    let password = text(request, "password")?;
    match text(request, "op")? {
        "seal" => {
            let session: SessionData = serde_json::from_value(request["payload"].clone())?;
            Ok(Value::from(seal_session(&session, password)?))
        }
        "unseal" => {
            let session = unseal_session(text(request, "sealed")?, password)?;
            Ok(serde_json::to_value(session)?)
        }
        other => Err(format!("unknown op {other}").into()),
    }
}

fn text<'a>(request: &'a Value, field: &str) -> Result<&'a str, String> {
    request[field].as_str().ok_or_else(|| format!("{field} is not a string"))
}
