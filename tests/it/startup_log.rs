//! What the library logs when a handle is made: the configuration, and warnings about doubtful settings.

use authkit_tower::{AuthKit, AuthKitLayer, Config, CookiePassword, ProtectedResource, SealFormat};
use support::Events;

const API_KEY: &str = "sk_test_of_this_test";
const GOOD_PASSWORD: &str = "v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=";
const WEAK_PASSWORD: &str = "abababababababababababababababab";

fn config(redirect_uri: &str, password: &str) -> Config {
    let password = CookiePassword::new(password).unwrap();
    Config::new("client_1", API_KEY, redirect_uri, password)
}

#[test]
fn e10_what_was_configured_is_said_once_and_what_is_doubtful_is_warned_of_once() {
    let events = Events::listen();
    let config =
        config("http://app.example.com/callback", WEAK_PASSWORD).with_seal_format(SealFormat::Go);
    let authkit = AuthKit::new(config).unwrap();
    let told = events.take();

    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("INFO "), "{told:?}");
    for field in [
        "environment=\"test\"",
        "client_id=\"client_1\"",
        "origin=\"http://app.example.com\"",
        "cookie=\"wos_session\"",
        "seal_format=\"go\"",
        "coordinator=\"InProcess\"",
    ] {
        assert!(told[0].contains(field), "{field}: {told:?}");
    }
    for (line, warning) in told[1..].iter().zip(authkit.settings().warnings()) {
        assert!(line.starts_with("WARN ") && line.contains(&warning.to_string()), "{line}");
    }
    for secret in [API_KEY, WEAK_PASSWORD] {
        assert!(!told.concat().contains(secret), "{told:?}");
    }

    let clone = authkit.clone();
    assert_eq!(clone.settings().warnings().len(), 2);
    assert_eq!(events.take(), Vec::<String>::new(), "a clone logs nothing");
}

#[test]
fn e10_a_configuration_as_it_should_be_is_not_warned_of() {
    let events = Events::listen();
    AuthKit::new(config("https://app.example.com/callback", GOOD_PASSWORD)).unwrap();
    let told = events.take();
    assert!(told.len() == 1 && told[0].starts_with("INFO "), "{told:?}");
}

#[test]
fn a_resource_that_takes_tokens_for_every_other_one_warns_when_its_layer_is_made() {
    let authkit = AuthKit::new(config("https://app.example.com/callback", GOOD_PASSWORD)).unwrap();
    let resource = ProtectedResource::new("example.authkit.app", "https://mcp.example.com/mcp");
    let events = Events::listen();
    for (resource, warnings) in
        [(resource.clone(), 0), (resource.with_insecure_client_id_audience(), 1)]
    {
        let _layer = AuthKitLayer::new(&authkit).with_protected_resource(&resource).unwrap();
        let told = events.take();
        let warned = told.iter().filter(|line| {
            line.starts_with("WARN ") && line.contains("with_insecure_client_id_audience")
        });
        assert_eq!(warned.count(), warnings, "{told:?}");
    }
}
