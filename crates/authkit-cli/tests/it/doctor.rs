use std::{
    fs,
    net::TcpListener,
    time::{Duration, SystemTime},
};

use authkit_emulator::{Emulator, Endpoint, Fault};

use super::{PASSWORD, Said, authkit, folder};

const API_KEY: &str = "sk_test_emulator";

/// Runs the doctor on a good set-up for `emulator`, in which some variables have other values. An empty one is not set.
fn doctor(emulator: &Emulator, changed: &[(&str, &str)], arguments: &[&str]) -> Said {
    let good = [
        ("WORKOS_CLIENT_ID", "client_emulator"),
        ("WORKOS_API_KEY", API_KEY),
        ("WORKOS_REDIRECT_URI", "http://localhost:3000/callback"),
        ("WORKOS_COOKIE_PASSWORD", PASSWORD),
        ("WORKOS_BASE_URL", emulator.url()),
    ];
    let variables: Vec<_> = good.into_iter().chain(changed.iter().copied()).collect();
    let said = authkit(&[&["doctor"], arguments].concat(), &variables, "");
    for secret in [PASSWORD, API_KEY] {
        assert!(!format!("{said:?}").contains(secret), "{said:?}");
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_set_up_has_nothing_to_correct() {
    let emulator = Emulator::start().await;
    let said = doctor(&emulator, &[], &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.ends_with("\n0 problem(s), 0 warning(s)\n"), "{}", said.out);
    for check in ["variables", "redirect", "password", "size", "clock", "keys", "api key", "proxy"]
    {
        let is_ok =
            said.out.lines().any(|line| line.starts_with(&format!("ok       {check:<10} ")));
        assert!(is_ok, "{check}: {}", said.out);
    }
    assert_eq!(emulator.exchanges(), 0);
}

/// Each with what is said of it: the variable, and what to write.
#[tokio::test(flavor = "multi_thread")]
async fn every_misconfiguration_is_named_with_what_to_write() {
    let emulator = Emulator::start().await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let problem = [
        (
            "a missing variable",
            &[("WORKOS_COOKIE_PASSWORD", "")][..],
            ["WORKOS_COOKIE_PASSWORD", "`openssl rand -base64 32`"],
        ),
        (
            "swapped keys",
            &[("WORKOS_CLIENT_ID", "sk_test_1"), ("WORKOS_API_KEY", "client_1")],
            ["WORKOS_CLIENT_ID", "holds an API key"],
        ),
        (
            "a short password",
            &[("WORKOS_COOKIE_PASSWORD", "hunter2")],
            ["7 bytes", "openssl rand -base64 32"],
        ),
        (
            "quotes",
            &[("WORKOS_CLIENT_ID", "\"client_emulator\"")],
            ["WORKOS_CLIENT_ID", "write it without the quotes"],
        ),
        (
            "a redirect URI without a path",
            &[("WORKOS_REDIRECT_URI", "https://app.example.com")],
            ["WORKOS_REDIRECT_URI", "write the path too"],
        ),
        (
            "a password that does not suit the format",
            &[("WORKOS_SEAL_FORMAT", "rust")],
            ["WORKOS_SEAL_FORMAT", "openssl rand -hex 32"],
        ),
        (
            "a cookie domain of another site",
            &[("WORKOS_COOKIE_DOMAIN", "example.org")],
            ["WORKOS_COOKIE_DOMAIN", "the host of the redirect URI"],
        ),
        (
            "an API key that would go unencrypted",
            &[("WORKOS_BASE_URL", "http://api.example.com")],
            ["WORKOS_BASE_URL", "`https://` URL"],
        ),
        (
            "another client id",
            &[("WORKOS_CLIENT_ID", "client_other")],
            ["no key set for the client id client_other", "compare WORKOS_CLIENT_ID"],
        ),
        (
            "another API key",
            &[("WORKOS_API_KEY", "sk_test_other")],
            ["WorkOS refuses WORKOS_API_KEY", "the same environment"],
        ),
        (
            "nothing listens at the base URL",
            &[("WORKOS_BASE_URL", &closed)],
            ["cannot be reached", "check WORKOS_BASE_URL"],
        ),
        (
            "a proxy that is no URL",
            &[("https_proxy", "http://")],
            ["https_proxy is no proxy's URL", "http://proxy.example.com:3128"],
        ),
        (
            "a SOCKS proxy",
            &[("ALL_PROXY", "socks5://proxy.example.com:1080")],
            ["ALL_PROXY names a SOCKS proxy", "write the URL of an http proxy"],
        ),
    ];
    for (name, changed, words) in problem {
        let said = doctor(&emulator, changed, &[]);
        assert_eq!(said.code, Some(1), "{name}: {said:?}");
        let is_said = said.out.lines().any(|line| {
            line.starts_with("problem ") && words.iter().all(|word| line.contains(word))
        });
        assert!(is_said, "{name}: {}", said.out);
    }

    let warning = [
        (
            "a typing error in a name",
            &[("WORKOS_COOKIE_PASSWORT", "x")][..],
            ["WORKOS_COOKIE_PASSWORT is set, and nothing reads it", "WORKOS_COOKIE_PASSWORD?"],
        ),
        (
            "a name of Next.js",
            &[("NEXT_PUBLIC_WORKOS_REDIRECT_URI", "x")],
            ["NEXT_PUBLIC_WORKOS_REDIRECT_URI is set", "WORKOS_REDIRECT_URI?"],
        ),
        (
            "plain http off this machine",
            &[("WORKOS_REDIRECT_URI", "http://app.example.com/callback")],
            ["WORKOS_REDIRECT_URI", "write the `https://` URL"],
        ),
        (
            "https on this machine",
            &[("WORKOS_REDIRECT_URI", "https://localhost:3000/callback")],
            ["WORKOS_REDIRECT_URI", "speaks plain http: write the `http://` URL"],
        ),
        (
            "another port",
            &[("PORT", "8080")],
            ["the port 3000, and PORT is 8080", "write the same port in both"],
        ),
        (
            "a password that is easy to guess",
            &[("WORKOS_COOKIE_PASSWORD", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")],
            ["WORKOS_COOKIE_PASSWORD", "openssl rand -base64 32"],
        ),
    ];
    for (name, changed, words) in warning {
        let said = doctor(&emulator, changed, &[]);
        assert_eq!(said.code, Some(0), "{name}: {said:?}");
        let is_said = said.out.lines().any(|line| {
            line.starts_with("warning ") && words.iter().all(|word| line.contains(word))
        });
        assert!(is_said, "{name}: {}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_production_key_with_a_redirect_to_this_machine_is_warned_of() {
    let key = "sk_live_emulator";
    let emulator = Emulator::builder().api_key(key).start().await.unwrap();
    let said = doctor(&emulator, &[("WORKOS_API_KEY", key)], &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("is of the production environment"), "{}", said.out);
    assert!(!said.out.contains(key), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_found_whichever_way() {
    let cases: [(i64, Option<i32>, &str); 5] = [
        (-600, Some(1), "problem  clock      this machine's clock is "),
        (600, Some(1), "problem  clock      this machine's clock is "),
        (-15, Some(0), "warning  clock      this machine's clock is "),
        (15, Some(0), "warning  clock      this machine's clock is "),
        (0, Some(0), "ok       clock      as WorkOS's"),
    ];
    for (off, code, line) in cases {
        let by = Duration::from_secs(off.unsigned_abs());
        let now = SystemTime::now();
        let theirs = if off < 0 { now - by } else { now + by };
        let emulator = Emulator::builder().frozen_at(theirs).start().await.unwrap();
        let said = doctor(&emulator, &[], &[]);
        assert_eq!(said.code, code, "{off}: {said:?}");
        let found = said.out.lines().find(|found| found.starts_with(line)).unwrap_or_default();
        assert!(!found.is_empty(), "{off}: {}", said.out);
        if off != 0 {
            let direction = if off < 0 { "ahead of WorkOS's" } else { "behind WorkOS's" };
            assert!(found.contains(direction) && found.contains("NTP"), "{off}: {found}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_in_the_place_of_workos_is_not_taken_for_it() {
    let cases = [
        ("a sign-in page of the network", Fault::html(), "problem  keys ", "is no key set"),
        ("an outage", Fault::status(503), "problem  keys ", "503"),
    ];
    for (name, fault, line, words) in cases {
        let emulator = Emulator::start().await;
        emulator.fault(fault.on(Endpoint::Jwks));
        let said = doctor(&emulator, &[], &[]);
        assert_eq!(said.code, Some(1), "{name}: {said:?}");
        let is_said =
            said.out.lines().any(|found| found.starts_with(line) && found.contains(words));
        assert!(is_said, "{name}: {}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_gets_too_large_is_told_of() {
    let emulator = Emulator::start().await;
    for (permissions, code, level) in
        [("10", Some(0), "ok "), ("70", Some(0), "warning "), ("300", Some(1), "problem ")]
    {
        let said = doctor(&emulator, &[], &["--permissions", permissions]);
        assert_eq!(said.code, code, "{permissions}: {said:?}");
        let line =
            said.out.lines().find(|line| line.contains(&format!("with {permissions} permissions")));
        assert!(line.is_some_and(|line| line.starts_with(level)), "{permissions}: {}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_the_same_as_json() {
    let emulator = Emulator::start().await;
    let said = doctor(&emulator, &[("WORKOS_COOKIE_PASSWORD", "short")], &["--json", "--offline"]);
    assert_eq!(said.code, Some(1));
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["problems"], 1, "{report}");
    let remarks = report["remarks"].as_array().unwrap();
    assert!(remarks.iter().any(|remark| remark["level"] == "problem"
        && remark["check"] == "variables"
        && remark["text"].as_str().unwrap().contains("WORKOS_COOKIE_PASSWORD")));
}

#[test]
fn a_file_that_no_service_reads_is_pointed_out_and_can_be_checked() {
    let folder = folder("dotenv");
    let file = folder.join(".env");
    fs::write(
        &file,
        format!(
            "WORKOS_CLIENT_ID=client_1\nWORKOS_API_KEY=sk_test_emulator\nWORKOS_COOKIE_PASSWORD={PASSWORD}\n\
             WORKOS_REDIRECT_URI=http://localhost:3000/callback\nWORKOS_BASE_URL=http://127.0.0.1:1\n"
        ),
    )
    .unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_authkit"));
        command.args(arguments).env_clear().current_dir(&folder);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, out) = run(&["doctor", "--offline"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains("there is a file `.env` here") && out.contains("`dotenvy::dotenv()`"),
        "{out}"
    );
    let (code, out) = run(&["doctor", "--offline", "--env-file", ".env"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(!out.contains(PASSWORD) && !out.contains("sk_test"), "{out}");
}
