//! The example `axum-app` in the process of a test, with an emulator.

use authkit_emulator::{EmulatorBuilder, SignIn};
use authkit_tower::Config;
use axum_app::{Organization, Organizations, Refreshes};

use crate::{
    harness::{Harness, Running},
    served::Port,
};

/// Runs the example, whose users sign in on the emulator's page.
pub async fn example() -> Running {
    example_with(SignIn::Interactive, |emulator| emulator).await
}

/// The same over TLS, as users have it: with a certificate that nobody has signed.
pub async fn example_over_tls() -> Running {
    run(Port::bind_tls().await, |emulator| emulator.sign_in(SignIn::Interactive)).await
}

/// Runs the example with settings of the emulator's own.
pub async fn example_with(
    sign_in: SignIn,
    emulator: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder,
) -> Running {
    run(Port::bind().await, |builder| emulator(builder.sign_in(sign_in))).await
}

async fn run(port: Port, emulator: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Running {
    let refreshes = Refreshes::default();
    let hook = refreshes.clone();
    let noted =
        |config: Config| config.with_refresh_hook(move |refreshed| hook.clone().note(refreshed));
    let harness = Harness::at(port, emulator, noted).await;
    let users = harness.emulator.users().into_iter();
    let organizations: Organizations = users
        .flat_map(|user| user.memberships.into_iter().map(move |one| (user.id.clone(), one)))
        .map(|(user, one)| (user, Organization::new(one.organization_id, one.organization_name)))
        .collect();
    let app = axum_app::app_with(&harness.authkit, organizations, refreshes);
    harness.serve(app)
}
