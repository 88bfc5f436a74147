//! `authkit doctor`: the mistakes of a set-up, each with its remedy.

mod configuration;
mod proxy;
mod redis;
mod report;
mod size;
mod workos;

use crate::{
    Output,
    arguments::{DoctorOptions, Network},
    doctor::report::Report,
    variables,
};

/// Checks everything, and reports the results.
pub(crate) async fn run(options: &DoctorOptions) -> Result<Output, String> {
    variables::load(options.env_file.as_deref())?;
    let mut report = Report::default();
    proxy::check(&mut report);
    match configuration::check(&mut report, options.env_file.is_some()) {
        Some(authenticator) => {
            size::check(&mut report, authenticator.settings(), options.permissions.unwrap_or(10));
            match options.network {
                Network::Online => workos::check(&mut report, &authenticator).await,
                Network::Offline => report.ok("workos", "was not asked (--offline)"),
            }
        }
        None => report.ok("workos", "was not asked: correct the variables first"),
    }
    redis::check(&mut report, options.network).await;
    Ok(report.output(options.form))
}
