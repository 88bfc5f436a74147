use serde::Deserialize;
use serde_json::Value;

use crate::{ids, webhooks::WebhookEndpoint};

/// A webhook endpoint in a seed file.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileWebhook {
    #[serde(alias = "url")]
    endpoint_url: String,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default = "enabled")]
    enabled: bool,
    /// Random if the file has none, as in the official emulator.
    #[serde(default = "ids::secret_token")]
    secret: String,

    #[serde(default, rename = "description")]
    _description: Value,
}

impl FileWebhook {
    /// The endpoint, unless the file disables it.
    pub(crate) fn endpoint(&self) -> Result<Option<WebhookEndpoint>, String> {
        if self.secret.is_empty() {
            return Err("the secret is empty".to_owned());
        }
        let endpoint = WebhookEndpoint::new(&self.endpoint_url, &self.secret, self.events.clone())?;
        Ok(Some(endpoint).filter(|_| self.enabled))
    }
}

fn enabled() -> bool {
    true
}
