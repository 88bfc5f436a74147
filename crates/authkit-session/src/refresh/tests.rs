mod concurrency;
mod cut_off;
#[cfg(interleavings)]
mod interleavings;
mod limits;
mod on_demand;
mod owner;
mod refresh;
mod replicas;
mod soak;
mod upstream;

use std::time::Duration;

use tokio::time;

use crate::testing::{Browser, Endpoint, Service};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A service, and a browser whose session has expired.
async fn expired() -> (Service, Browser) {
    let service = Service::new();
    let browser = service.sign_in("user_a").await;
    time::sleep(s(310)).await;
    (service, browser)
}

impl Service {
    /// How many refreshes were asked for.
    fn refreshes(&self) -> usize {
        self.workos.calls(Endpoint::Authenticate)
    }
}
