//! The example `axum-app` within a test: what it knows, it knows from the emulator.

use authkit_emulator::{EmulatorBuilder, SignIn};
use axum_app::{Organization, Organizations, Refreshes};

use crate::harness::{Harness, Running};

/// Runs the example, whose users sign in on the emulator's page.
pub async fn example() -> Running {
    example_with(SignIn::Interactive, |emulator| emulator).await
}

/// Runs the example with settings of the emulator's own.
pub async fn example_with(
    sign_in: SignIn,
    emulator: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder,
) -> Running {
    let refreshes = Refreshes::default();
    let hook = refreshes.clone();
    let harness = Harness::with(
        |builder| emulator(builder.sign_in(sign_in)),
        |config| config.with_refresh_hook(move |refreshed| hook.clone().note(refreshed)),
    );
    let harness = harness.await;
    let users = harness.emulator.users().into_iter();
    let organizations: Organizations = users
        .flat_map(|user| user.memberships.into_iter().map(move |one| (user.id.clone(), one)))
        .map(|(user, one)| (user, Organization::new(one.organization_id, one.organization_name)))
        .collect();
    let app = axum_app::app_with(&harness.authkit, organizations, refreshes);
    harness.serve(app)
}
