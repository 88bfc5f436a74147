//! The documentation of each setting states its default.

#[test]
fn every_setting_states_its_default() {
    let sources = [
        include_str!("../../crates/authkit-session/src/config.rs"),
        include_str!("../../crates/authkit-session/src/connect/resource.rs"),
        include_str!("../../crates/authkit-session/src/request/policy.rs"),
        include_str!("../../crates/authkit-tower/src/browser_redirect.rs"),
        include_str!("../../crates/authkit-tower/src/dev/env_or_emulator.rs"),
        include_str!("../../crates/authkit-tower/src/layer.rs"),
        include_str!("../../crates/authkit-tower/src/endpoints.rs"),
        include_str!("../../crates/authkit-tower/src/webhooks.rs"),
        include_str!("../../crates/authkit-redis/src/builder.rs"),
    ];
    let mut settings = 0;
    for source in sources {
        let mut documentation = String::new();
        for line in source.lines().map(str::trim) {
            if line.starts_with("///") {
                documentation += line;
            } else if let Some((name, _)) =
                line.strip_prefix("pub fn with").and_then(|rest| rest.split_once(['(', '<']))
            {
                let states_it = documentation.to_ascii_lowercase().contains("default");
                assert!(states_it, "with{name}: {documentation}");
                settings += 1;
            } else if !line.starts_with("#[") {
                documentation.clear();
            }
        }
    }
    assert!(settings > 50, "{settings}");
}
