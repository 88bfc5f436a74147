//! What cargo's messages say of a build.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

/// The program that a build made, or the errors that it ended with.
#[derive(Debug, Default)]
pub(crate) struct Built {
    pub(crate) executable: Option<PathBuf>,
    /// The file and the line of each error.
    pub(crate) errors: Vec<(String, usize)>,
}

impl Built {
    pub(crate) fn read(messages: &str) -> Result<Self> {
        let mut built = Self::default();
        for line in messages.lines().filter(|line| line.starts_with('{')) {
            let message: Value = serde_json::from_str(line)?;
            if let Some(executable) = message["executable"].as_str() {
                built.executable = Some(executable.into());
            }
            let message = &message["message"];
            if message["level"] == "error" {
                for span in message["spans"].as_array().into_iter().flatten() {
                    if span["is_primary"] == true {
                        built.errors.push(outermost(span)?);
                    }
                }
            }
        }
        if !built.errors.is_empty() {
            built.executable = None;
        }
        Ok(built)
    }
}

/// The file and the line of a span; of the place where a macro is called, if it is in one.
fn outermost(span: &Value) -> Result<(String, usize)> {
    let caller = &span["expansion"]["span"];
    if !caller.is_null() {
        return outermost(caller);
    }
    let file = span["file_name"].as_str().context("file_name")?;
    let line = span["line_start"].as_u64().context("line_start")?;
    Ok((file.to_owned(), usize::try_from(line)?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_error_in_a_macro_is_where_the_macro_is_called() {
        let messages = r#"
{"reason":"compiler-artifact","executable":null}
{"reason":"compiler-artifact","executable":"/t/deps/a-1"}
{"reason":"compiler-message","message":{"level":"warning","spans":[{"is_primary":true,"file_name":"w.rs","line_start":1,"expansion":null}]}}
{"reason":"compiler-message","message":{"level":"error","spans":[
{"is_primary":false,"file_name":"b.rs","line_start":1,"expansion":null}]}}
{"reason":"build-finished","success":true}
"#;
        assert!(Built::read("no messages").unwrap().executable.is_none());
        let built = Built::read(&messages.replace(",\"spans\":[\n", ",\"spans\":[")).unwrap();
        assert_eq!(built.executable.as_deref(), Some(Path::new("/t/deps/a-1")));
        let error = r#"{"reason":"compiler-message","message":{"level":"error","spans":[{"is_primary":true,"file_name":"core.rs","line_start":9,"expansion":{"span":{"file_name":"c.rs","line_start":3,"expansion":null}}}]}}"#;
        let built =
            Built::read(&format!("{messages}{error}").replace(",\"spans\":[\n", ",\"spans\":["))
                .unwrap();
        assert_eq!(built.errors, [("c.rs".to_owned(), 3)]);
        assert!(built.executable.is_none(), "an older one");
    }
}
