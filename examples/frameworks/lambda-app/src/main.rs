//! `lambda-app`: the function. The four `WORKOS_*` variables belong to its configuration.

#![forbid(unsafe_code)]

use authkit_tower::AuthKit;
use lambda_app::app;
use lambda_http::{Error, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let authkit = AuthKit::from_env()?; // once for all requests of this process
    run(app(&authkit)).await
}
