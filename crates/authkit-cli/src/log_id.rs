//! `authkit log-id`: the ids of users and sessions in log lines.

use authkit_session::inspect;

use crate::{Output, arguments::LogIdOptions, variables};

/// Prints a line for each id, in the form in which logs can be searched.
pub(crate) fn run(options: &LogIdOptions) -> Result<Output, String> {
    variables::load(options.env_file.as_deref())?;
    let Some(api_key) = variables::secret(API_KEY) else {
        return Err(format!(
            "{API_KEY} is not set: write the key that the service was started with there"
        ));
    };
    let lines = options.ids.iter().map(|id| format!("{}\n", inspect::log_id(&api_key, id)));
    Ok(Output::good(lines.collect()))
}

const API_KEY: &str = "WORKOS_API_KEY";
