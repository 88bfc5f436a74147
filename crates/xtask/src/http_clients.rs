//! The rule for HTTP clients: a package that depends on reqwest says where TLS gets its cryptography.
//!
//! Cargo joins the features of the packages that it builds together. `authkit-session` turns on `rustls-no-provider`, because
//! it gives its clients a provider. In a package that says nothing, a client then has TLS too, and no provider: building it
//! panics, but only if that package is built together with `authkit-session`.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::project::Project;

pub(crate) fn check(project: &Project) -> Result<()> {
    let silent = silent(&project.manifests);
    ensure!(
        silent.is_empty(),
        "{}: reqwest without the feature `rustls`, or `rustls-no-provider` and a provider of their own",
        silent.join(", ")
    );
    Ok(())
}

/// The packages that do not say it.
fn silent(manifests: &[Value]) -> Vec<&str> {
    let asks_for = |dependency: &Value, feature| {
        dependency["features"].as_array().is_some_and(|them| them.iter().any(|it| it == feature))
    };
    let says_it = |manifest: &Value| {
        let all = manifest["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut clients = all.iter().filter(|it| it["name"] == "reqwest").peekable();
        clients.peek().is_none()
            || clients.any(|it| FEATURES.iter().any(|feature| asks_for(it, feature)))
    };
    let silent = manifests.iter().filter(|manifest| !says_it(manifest));
    silent.filter_map(|manifest| manifest["name"].as_str()).collect()
}

const FEATURES: [&str; 2] = ["rustls", "rustls-no-provider"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_package_with_reqwest_says_where_tls_gets_its_cryptography() {
        let reqwest = |features: &[&str]| json!({ "name": "reqwest", "features": features });
        let cases = [
            (json!([]), true),
            (json!([{ "name": "axum", "features": [] }]), true),
            (json!([reqwest(&["json"])]), false),
            (json!([reqwest(&[])]), false),
            (json!([reqwest(&["json", "rustls"])]), true),
            (json!([reqwest(&["rustls-no-provider"]), reqwest(&["cookies"])]), true),
            (json!([{ "name": "axum", "features": ["rustls"] }, reqwest(&["json"])]), false),
        ];
        for (dependencies, says_it) in cases {
            let manifests = [json!({ "name": "x", "dependencies": dependencies })];
            assert_eq!(silent(&manifests).is_empty(), says_it, "{manifests:?}");
        }
    }
}
