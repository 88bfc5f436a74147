//! Sends webhooks, and repeats those that are not answered with success.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{state::Shared, webhooks::Delivery};

/// Sends every delivery in a task of its own. Order is not kept, as with WorkOS.
pub(crate) async fn deliver(
    shared: Arc<Shared>,
    mut deliveries: mpsc::UnboundedReceiver<Delivery>,
) {
    while let Some(delivery) = deliveries.recv().await {
        tokio::spawn(send(Arc::clone(&shared), delivery));
    }
}

/// Sends one delivery until it is answered with success, or the configured pauses are used up.
async fn send(shared: Arc<Shared>, Delivery { to, event, body }: Delivery) {
    let give_up = |attempts: usize, problem: &str| {
        to.count_given_up();
        let url = to.place();
        tracing::warn!(url, event, attempts, problem, "a webhook has been given up");
    };
    if !to.is_reachable() {
        return give_up(0, "not an http URL");
    }
    let pauses = shared.lock().config.webhook_pauses.clone();
    let mut problem = String::new();
    for pause in [Duration::ZERO].into_iter().chain(pauses.iter().copied()) {
        sleep(pause).await;
        let now = shared.lock().now();
        problem = match timeout(PATIENCE, to.post(body.clone(), now)).await {
            Ok(Ok(status)) if status.is_success() => return to.count_delivered(),
            Ok(Ok(status)) => format!("answered {status}"),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "not answered in time".to_owned(),
        };
    }
    give_up(pauses.len() + 1, &problem);
}

/// How long an endpoint may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The default pauses before further attempts. WorkOS repeats for days.
pub(crate) const PAUSES: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
