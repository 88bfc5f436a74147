use super::{authkit, folder};

#[test]
fn it_says_what_it_can_do() {
    for arguments in [&[][..], &["--help"], &["-h"], &["help"], &["doctor", "--help"]] {
        let said = authkit(arguments, &[], "");
        assert_eq!(said.code, Some(0), "{arguments:?}");
        for command in ["doctor", "inspect", "password", "emulator"] {
            assert!(said.out.contains(&format!("  {command} ")), "{command}: {}", said.out);
        }
    }
    let version = authkit(&["--version"], &[], "").out;
    assert_eq!(version, concat!("authkit ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn mistakes_are_one_line_that_names_them() {
    for (arguments, named) in [
        (&["docter"][..], "no command `docter`"),
        (&["doctor", "--jsno"], "--jsno"),
        (&["doctor", "--permissions", "many"], "many"),
        (&["doctor", "--env-file", "/nowhere/.env"], "/nowhere/.env"),
        (&["inspect", "wos_session=secret"], "standard input"),
        (&["password", "extra"], "extra"),
        (&["--prot"], "--prot"),
    ] {
        let said = authkit(arguments, &[], "");
        assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
        assert!(said.err.contains(named), "{arguments:?}: {}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
        assert!(!said.err.contains("secret"), "{}", said.err);
    }
}

#[test]
fn a_password_is_new_each_time_and_good_for_the_service() {
    let (one, other) = (authkit(&["password"], &[], "").out, authkit(&["password"], &[], "").out);
    assert_ne!(one, other);
    let password = one.trim_end();
    assert_eq!((password.len(), one.len()), (44, 45));
    let variables = [
        ("WORKOS_CLIENT_ID", "client_123"),
        ("WORKOS_API_KEY", "sk_test_123"),
        ("WORKOS_REDIRECT_URI", "https://app.example.com/callback"),
        ("WORKOS_COOKIE_PASSWORD", password),
        ("WORKOS_BASE_URL", "http://127.0.0.1:1"),
    ];
    let said = authkit(&["doctor", "--offline"], &variables, "");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("0 problem(s), 0 warning(s)"), "{}", said.out);
    assert!(said.out.contains("suits the formats ruby, go, python, node"), "{}", said.out);
}

#[test]
fn the_emulators_program_is_a_command() {
    let help = authkit(&["emulator", "--help"], &[], "");
    assert_eq!(help.code, Some(0));
    assert!(help.out.contains("Usage: authkit emulator [OPTIONS]"), "{}", help.out);
    let mistake = authkit(&["emulator", "--prot"], &[], "");
    assert_eq!(mistake.code, Some(1));
    assert!(mistake.err.starts_with("authkit emulator: "), "{}", mistake.err);
}

#[test]
fn a_line_that_cannot_be_read_is_not_repeated() {
    let path = folder("broken").join(".env");
    std::fs::write(&path, "WORKOS_API_KEY='sk_live_secret\n").unwrap();
    let said = authkit(&["doctor", "--env-file", path.to_str().unwrap()], &[], "");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains(".env: a line of it cannot be read"), "{}", said.err);
    assert!(!said.err.contains("secret"), "{}", said.err);
}
