//! Sends webhooks, again where they are not taken.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{state::Shared, webhooks::Delivery};

/// Sends what is to be sent, each on its own: WorkOS keeps no order either.
pub(crate) async fn deliver(
    shared: Arc<Shared>,
    mut deliveries: mpsc::UnboundedReceiver<Delivery>,
) {
    while let Some(delivery) = deliveries.recv().await {
        tokio::spawn(send(Arc::clone(&shared), delivery));
    }
}

/// Sends until it is answered with success, a few times at most.
async fn send(shared: Arc<Shared>, Delivery { to, body }: Delivery) {
    for pause in PAUSES {
        sleep(pause).await;
        let now = shared.lock().now();
        let answer = timeout(PATIENCE, to.post(body.clone(), now)).await;
        if answer.is_ok_and(|answer| answer.is_ok_and(|status| status.is_success())) {
            return;
        }
    }
}

/// How long an endpoint may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is waited before each attempt; WorkOS goes on for days.
const PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
