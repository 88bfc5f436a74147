use std::process::Command;

use super::{authkit, folder};

#[test]
fn it_says_what_it_can_do() {
    for arguments in [&[][..], &["--help"], &["-h"], &["help"], &["doctor", "--help"]] {
        let said = authkit(arguments, &[], "");
        assert_eq!(said.code, Some(0), "{arguments:?}");
        for command in ["doctor", "inspect", "log-id", "password", "emulator", "completions"] {
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
        (&["log-id"], "`authkit log-id user_...`"),
        (&["log-id", "user_1"], "WORKOS_API_KEY is not set"),
        (&["log-id", "user_1", "--tokens"], "--tokens"),
        (&["completions"], "`authkit completions bash`, `zsh` or `fish`"),
        (&["completions", "tcsh"], "`authkit completions bash`, `zsh` or `fish`"),
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

/// The values are those of HMAC-SHA256 by OpenSSL, as docs/reasons.md has the command.
#[test]
fn a_log_id_is_printed_for_each_id() {
    let file = folder("log-id").join("key");
    std::fs::write(&file, "sk_test_123\n").unwrap();
    let variable = [("WORKOS_API_KEY", "sk_test_123")];
    let secret_file = [("WORKOS_API_KEY_FILE", file.to_str().unwrap())];
    for variables in [&variable, &secret_file] {
        let said = authkit(&["log-id", "user_1", "session_1"], variables, "");
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(said.out, "8247f9c1ee9c\n5e9ae92401fe\n");
    }
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

/// The options in a help text.
fn options(help: &str) -> Vec<&str> {
    let words = help.split([' ', '\n', ',', '`', ';']);
    let mut options: Vec<_> =
        words.filter(|word| word.len() > 2 && word.starts_with("--")).collect();
    options.sort_unstable();
    options.dedup();
    options
}

/// What a script for a shell says.
fn script(shell: &str) -> String {
    let said = authkit(&["completions", shell], &[], "");
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out
}

/// Runs a line of a shell in which the completions are in force.
fn in_shell(shell: &str, line: &str) -> String {
    let file = folder("completions").join(shell);
    std::fs::write(&file, script(shell)).unwrap();
    let text = format!("source {}; {line}", file.display());
    let output = Command::new(shell).args(["-c", &text]).output().unwrap();
    assert!(output.status.success(), "{shell}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_shell_offers_every_command_and_option_and_nothing_else() {
    let own = authkit(&["--help"], &[], "").out;
    let emulator = authkit(&["emulator", "--help"], &[], "").out;
    let mut known: Vec<_> = options(&own).into_iter().chain(options(&emulator)).collect();
    known.sort_unstable();
    known.dedup();
    let script = script("bash");
    let words: Vec<_> = script.split([' ', '"', '|', ')', '\n']).collect();
    for option in &known {
        assert!(words.contains(option), "{option} is not offered: {script}");
    }
    for word in words.iter().filter(|word| word.len() > 2 && word.starts_with("--")) {
        assert!(known.contains(word), "{word} is offered, and there is no such option");
    }
}

#[test]
fn bash_completes() {
    for (typed, offered) in [
        ("authkit d", "doctor"),
        ("authkit doctor --o", "--offline"),
        ("authkit emulator --strict --au", "--auto"),
        ("authkit log-id --e", "--env-file"),
        ("authkit completions f", "fish"),
        ("authkit emulator --port ''", ""),
    ] {
        let count = typed.split(' ').count() - 1;
        let line = format!(
            "COMP_WORDS=({typed}); COMP_CWORD={count}; _authkit; echo \"${{COMPREPLY[*]}}\""
        );
        assert_eq!(in_shell("bash", &line).trim_end(), offered, "{typed}");
    }
}

#[test]
fn fish_completes() {
    for (typed, offered) in [
        ("authkit d", "doctor"),
        ("authkit doctor --o", "--offline"),
        ("authkit emulator --strict --au", "--auto"),
        ("authkit completions f", "fish"),
    ] {
        let said = in_shell("fish", &format!("complete -C '{typed}'"));
        let found: Vec<_> = said.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(found, [offered], "{typed}");
    }
}

/// What zsh's own functions would do with it takes a terminal: here they say what they are given.
#[test]
fn zsh_completes() {
    let given =
        "compdef() {}; _describe() { print -r -- $commands }; _arguments() { print -rl -- $@ }; ";
    let file = folder("completions").join("zsh");
    std::fs::write(&file, script("zsh")).unwrap();
    for (typed, offered) in [
        ("authkit ''", "doctor:says"),
        ("authkit doctor ''", "--offline[asks nobody]"),
        (
            "authkit emulator --strict ''",
            "--env-file[writes the variables for a service there]:file:_files",
        ),
        ("authkit completions ''", "1:word:(bash zsh fish)"),
    ] {
        let count = typed.split(' ').count();
        let text = format!(
            "{given} source {}; words=({typed}); CURRENT={count}; _authkit",
            file.display()
        );
        let output = Command::new("zsh").args(["-f", "-c", &text]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains(offered), "{typed}: {said}");
    }
}
