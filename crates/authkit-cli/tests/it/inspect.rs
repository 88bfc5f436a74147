use authkit_emulator::{Emulator, TestSession};
use authkit_session::{CookiePassword, SealFormat, inspect};
use serde_json::Value;

use super::{PASSWORD, Said, authkit};

const OTHER: &str = "another-cookie-password-of-32-bytes!";

fn inspect(arguments: &[&str], password: &str, input: &str) -> Said {
    let variables =
        [("WORKOS_COOKIE_PASSWORD", password), ("WORKOS_COOKIE_PASSWORD_OTHERS", OTHER)];
    authkit(&[&["inspect"], arguments].concat(), &variables, input)
}

async fn session() -> (Emulator, TestSession) {
    let emulator = Emulator::start().await;
    let session = emulator.session("alice@acme.test");
    (emulator, session)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_found_in_whatever_was_pasted() {
    let (_emulator, session) = session().await;
    let sealed = session.cookie(PASSWORD);
    let (start, end) = sealed.split_at(100);
    for input in [
        sealed.clone(),
        format!("{sealed}\n"),
        format!("\"{sealed}\""),
        format!("wos_session={sealed}"),
        format!("Cookie: theme=dark; wos_session={sealed}; other=1"),
        format!("set-cookie: wos_session={sealed}; Path=/; HttpOnly"),
        format!("Cookie: wos_session.1={end}; wos_session.0=2.{start}"),
    ] {
        let said = inspect(&[], PASSWORD, &input);
        assert_eq!(said.code, Some(0), "{input}: {said:?}");
        assert!(said.out.contains(session.session_id()), "{}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_format_claims_and_times_and_tokens_only_when_asked() {
    let (_emulator, session) = session().await;
    let said = inspect(&[], PASSWORD, &session.cookie(PASSWORD));
    for words in [
        "Nothing of this was verified",
        "format             ruby",
        "opened with        WORKOS_COOKIE_PASSWORD\n",
        "has refresh token  true",
        " GMT (in 29",
        "\"role\": \"admin\"",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    for secret in [session.access_token(), session.refresh_token(), PASSWORD, "alice@acme.test"] {
        assert!(!said.out.contains(secret), "{}", said.out);
    }
    let shown = inspect(&["--tokens"], PASSWORD, &session.cookie(PASSWORD)).out;
    assert!(shown.contains(session.access_token()) && shown.contains(session.refresh_token()));

    let json = inspect(&["--json"], PASSWORD, &session.cookie(OTHER)).out;
    assert!(!json.contains(session.refresh_token()), "{json}");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["opened_with"], "WORKOS_COOKIE_PASSWORD_OTHERS");
    assert_eq!(json["session_id"], session.session_id());
    assert_eq!(json["claims"], session.claims());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sdks_cookie_is_named_by_its_format() {
    let (_emulator, session) = session().await;
    let hex = "0123456789abcdef".repeat(4);
    for (format, password, named) in [
        (SealFormat::Go, PASSWORD, "go"),
        (SealFormat::Rust, &*hex, "go or rust"),
        (SealFormat::Python, PASSWORD, "python"),
        (SealFormat::Node, PASSWORD, "node"),
    ] {
        let payload = session.payload().to_string();
        let checked = CookiePassword::new(password).unwrap();
        let sealed = inspect::seal(format, &checked, payload.as_bytes()).unwrap();
        let said = inspect(&["--json"], password, &sealed);
        let json: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(
            (&json["format"], &json["session_id"]),
            (&named.into(), &session.session_id().into())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_explained() {
    let (_emulator, session) = session().await;
    let strange = session.cookie("a-password-that-nobody-else-has-of-32");
    for (name, input, words) in [
        ("another password", strange.as_str(), "WORKOS_COOKIE_PASSWORD_OTHERS"),
        ("no cookie", "hello", "Copy the whole value"),
    ] {
        let said = inspect(&[], PASSWORD, input);
        assert_eq!(said.code, Some(1), "{name}: {said:?}");
        assert!(said.out.contains(words), "{name}: {}", said.out);
        assert!(!said.out.contains(input), "{name}: {}", said.out);
    }
    for (name, password, input, words) in [
        ("no password", "", "x", "fewer than 32 bytes"),
        ("a short one", "short", "x", "fewer than 32 bytes"),
        ("no input", PASSWORD, "", "pipe the cookie into it"),
        ("another cookie", PASSWORD, "Cookie: theme=dark", "no cookie named wos_session"),
        ("a part is missing", PASSWORD, "Cookie: wos_session.0=2.abc", "wos_session.1"),
    ] {
        let said = if password.is_empty() {
            authkit(&["inspect"], &[("WORKOS_COOKIE_PASSWORD", "0")], input)
        } else {
            inspect(&[], password, input)
        };
        assert_eq!(said.code, Some(2), "{name}: {said:?}");
        assert!(said.err.contains(words), "{name}: {}", said.err);
    }
    let none = authkit(&["inspect"], &[], "x");
    assert!(none.err.contains("WORKOS_COOKIE_PASSWORD is not set"), "{}", none.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_session_is_said_to_be_none() {
    let password = CookiePassword::new(PASSWORD).unwrap();
    for (inside, words) in [
        ("[1]", "no JSON object"),
        ("{}", "there is no access token"),
        (r#"{"access_token":"opaque"}"#, "the access token is no JWT"),
    ] {
        let sealed = inspect::seal(SealFormat::Ruby, &password, inside.as_bytes()).unwrap();
        let said = inspect(&[], PASSWORD, &sealed);
        assert_eq!(said.code, Some(0), "{inside}");
        assert!(said.out.contains(words), "{inside}: {}", said.out);
    }
}
