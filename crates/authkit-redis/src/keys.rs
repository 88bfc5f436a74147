//! The names of keys and channels in Redis.

/// Builds the names under the prefix that the application chose.
#[derive(Clone, Debug)]
pub(crate) struct KeyNames {
    prefix: Box<str>,
}

impl KeyNames {
    pub(crate) fn new(prefix: Box<str>) -> Self {
        Self { prefix }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Who makes an exchange, then its outcome.
    pub(crate) fn exchange(&self, exchange: &str) -> String {
        self.name("exchange", exchange)
    }

    /// The list of a service's revocations, and the channel of the same name.
    pub(crate) fn revocations(&self, group: &str) -> String {
        self.name("revocations", group)
    }

    /// What a process writes to see whether Redis takes writes.
    pub(crate) fn probe(&self, process: &str) -> String {
        self.name("probe", process)
    }

    fn name(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.prefix)
    }
}
