//! The names of keys and channels in Redis.
//!
//! A cluster assigns keys to slots by their hash tag, which is the text in the first braces, if there is any. There all
//! keys of a prefix have one tag, so they are in one slot on one server.

/// Builds the names under the prefix that the application chose.
#[derive(Clone, Debug)]
pub(crate) struct KeyNames {
    prefix: Box<str>,
}

impl KeyNames {
    pub(crate) fn new(prefix: Box<str>) -> Self {
        Self { prefix }
    }

    /// The same with a hash tag, unless the prefix already has one; `None` if it cannot have one.
    pub(crate) fn tagged(prefix: Box<str>) -> Option<Self> {
        if has_hash_tag(&prefix) {
            return Some(Self { prefix });
        }
        let prefix: Box<str> = format!("{{{prefix}}}").into();
        has_hash_tag(&prefix).then_some(Self { prefix })
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key of an exchange: first the process that makes it, then its outcome.
    pub(crate) fn exchange(&self, exchange: &str) -> String {
        self.name("exchange", exchange)
    }

    /// The list of a service's revocations, and the channel of the same name.
    pub(crate) fn revocations(&self, group: &str) -> String {
        self.name("revocations", group)
    }

    /// The key that a process writes to check that Redis accepts writes.
    pub(crate) fn probe(&self, process: &str) -> String {
        self.name("probe", process)
    }

    fn name(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.prefix)
    }
}

fn has_hash_tag(prefix: &str) -> bool {
    let tag = prefix.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    tag.is_some_and(|(tag, _)| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_cluster_has_one_hash_tag() {
        let cases = [
            ("authkit", Some("{authkit}")),
            ("{shop}", Some("{shop}")),
            ("eu:{shop}:a", Some("eu:{shop}:a")),
            ("{}", Some("{{}}")),
            ("a{}b", Some("{a{}b}")),
            ("{a", Some("{{a}")),
            ("}a", None),
        ];
        for (prefix, expected) in cases {
            let keys = KeyNames::tagged(prefix.into());
            assert_eq!(keys.as_ref().map(KeyNames::prefix), expected, "{prefix}");
        }
    }
}
