//! Waits for what other tasks or processes do.

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Waits until the condition holds.
///
/// # Panics
///
/// If it does not hold within 30 seconds.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(30), "not within 30 seconds: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
