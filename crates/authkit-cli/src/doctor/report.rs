use std::process::ExitCode;

use serde_json::json;

use crate::{Output, arguments::Form};

/// The results, in the order of the checks.
#[derive(Default)]
pub(super) struct Report {
    remarks: Vec<Remark>,
}

/// One result, in one line without a secret.
struct Remark {
    level: Level,
    check: &'static str,
    text: String,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Level {
    Ok,
    /// It works but is probably a mistake.
    Warning,
    /// Users cannot sign in or stay signed in.
    Problem,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

impl Report {
    pub(super) fn ok(&mut self, check: &'static str, text: impl Into<String>) {
        self.remarks.push(Remark { level: Level::Ok, check, text: text.into() });
    }

    pub(super) fn warning(&mut self, check: &'static str, text: impl Into<String>) {
        self.remarks.push(Remark { level: Level::Warning, check, text: text.into() });
    }

    pub(super) fn problem(&mut self, check: &'static str, text: impl Into<String>) {
        self.remarks.push(Remark { level: Level::Problem, check, text: text.into() });
    }

    /// The exit code: failure if there is a problem.
    pub(super) fn output(&self, form: Form) -> Output {
        let count = |level| self.remarks.iter().filter(|remark| remark.level == level).count();
        let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
        let text = match form {
            Form::Json => {
                let remarks: Vec<_> = self
                    .remarks
                    .iter()
                    .map(|remark| {
                        json!({
                            "level": remark.level.as_str(),
                            "check": remark.check,
                            "text": remark.text,
                        })
                    })
                    .collect();
                let report =
                    json!({ "problems": problems, "warnings": warnings, "remarks": remarks });
                format!("{report:#}\n")
            }
            Form::Text => {
                let lines = self.remarks.iter().map(|Remark { level, check, text }| {
                    format!("{:<8} {check:<10} {text}\n", level.as_str())
                });
                let lines: String = lines.collect();
                format!("{lines}\n{problems} problem(s), {warnings} warning(s)\n")
            }
        };
        let code = if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        Output { text, code }
    }
}
