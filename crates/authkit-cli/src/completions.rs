//! `authkit completions`: the completions that a shell offers.

use std::fmt::Write;

use crate::{Output, arguments::CompletedShell};

/// The script for a shell, to be sourced or put where the shell looks for completions.
pub(crate) fn run(shell: CompletedShell) -> Output {
    Output::good(match shell {
        CompletedShell::Bash => bash(),
        CompletedShell::Zsh => zsh(),
        CompletedShell::Fish => fish(),
    })
}

/// A command as the shell offers it.
struct Offered {
    name: &'static str,
    about: &'static str,
    options: &'static [OfferedOption],
    /// Words that may follow it.
    words: &'static [&'static str],
}

struct OfferedOption {
    name: &'static str,
    takes: Takes,
    about: &'static str,
}

/// The value of an option.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Takes {
    Nothing,
    Text,
    File,
}

/// The texts have no characters that are special to a shell.
const COMMANDS: &[Offered] = &[
    Offered {
        name: "doctor",
        about: "says what is wrong with the set-up and what to write",
        options: &[
            option("env-file", Takes::File, "reads a .env file first"),
            option("offline", Takes::Nothing, "asks nobody"),
            option("permissions", Takes::Text, "how many the sample session has"),
            option("json", Takes::Nothing, "for programs"),
        ],
        words: &[],
    },
    Offered {
        name: "inspect",
        about: "opens a session cookie from the standard input",
        options: &[
            option("env-file", Takes::File, "reads a .env file first"),
            option("tokens", Takes::Nothing, "shows the tokens"),
            option("json", Takes::Nothing, "for programs"),
        ],
        words: &[],
    },
    Offered {
        name: "log-id",
        about: "prints what log lines know a user or a session by",
        options: &[option("env-file", Takes::File, "reads a .env file first")],
        words: &[],
    },
    Offered { name: "password", about: "prints a new cookie password", options: &[], words: &[] },
    Offered {
        name: "emulator",
        about: "runs an emulator of WorkOS",
        options: &[
            option("port", Takes::Text, "port to listen on"),
            option("host", Takes::Text, "address to listen on"),
            option("env-file", Takes::File, "writes the variables for a service there"),
            option("app-url", Takes::Text, "where the service is"),
            option("seed", Takes::File, "users, organizations and roles"),
            option("token-ttl", Takes::Text, "lifetime of access tokens in seconds"),
            option("strict", Takes::Nothing, "refresh tokens work once"),
            option("rate-limit", Takes::Nothing, "limits calls as WorkOS does"),
            option("auto", Takes::Nothing, "signs in without the page"),
            option("client-id", Takes::Text, "client id"),
            option("api-key", Takes::Text, "API key"),
            option("issuer", Takes::Text, "iss of the tokens"),
            option("signing-key", Takes::File, "RSA private key"),
            option("key-id", Takes::Text, "kid of the signing key"),
        ],
        words: &[],
    },
    Offered {
        name: "completions",
        about: "prints completions for a shell",
        options: &[],
        words: &["bash", "zsh", "fish"],
    },
    Offered { name: "help", about: "prints the help", options: &[], words: &[] },
];

const fn option(name: &'static str, takes: Takes, about: &'static str) -> OfferedOption {
    OfferedOption { name, takes, about }
}

fn bash() -> String {
    let options = |takes: Takes| {
        let all = COMMANDS.iter().flat_map(|command| command.options);
        let mut names: Vec<_> = all
            .filter(|option| option.takes == takes)
            .map(|option| format!("--{}", option.name))
            .collect();
        names.sort();
        names.dedup();
        names.join("|")
    };
    let names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
    let mut text = format!(
        r#"_authkit() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} words=
    case ${{COMP_WORDS[COMP_CWORD - 1]}} in
        {files}) COMPREPLY=($(compgen -f -- "$current")); return ;;
        {texts}) COMPREPLY=(); return ;;
    esac
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{names} --help --version"
    else
        case ${{COMP_WORDS[1]}} in
"#,
        files = options(Takes::File),
        texts = options(Takes::Text),
        names = names.join(" "),
    );
    for Offered { name, options, words, .. } in COMMANDS {
        let options = options.iter().map(|option| format!("--{}", option.name));
        let words = words.iter().map(|word| (*word).to_owned());
        let all: Vec<_> = options.chain(words).chain(["--help".to_owned()]).collect();
        let _ = writeln!(text, "            {name}) words=\"{}\" ;;", all.join(" "));
    }
    text.push_str(
        r#"        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _authkit authkit
"#,
    );
    text
}

fn zsh() -> String {
    let mut text =
        "#compdef authkit\n_authkit() {\n    local -a commands\n    commands=(\n".to_owned();
    for Offered { name, about, .. } in COMMANDS {
        let _ = writeln!(text, "        '{name}:{about}'");
    }
    text.push_str(
        "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n    \
         local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n",
    );
    for Offered { name, options, words, .. } in COMMANDS {
        let mut arguments: Vec<_> = options
            .iter()
            .map(|OfferedOption { name, takes, about }| {
                let follows = match takes {
                    Takes::Nothing => "",
                    Takes::Text => ":value:",
                    Takes::File => ":file:_files",
                };
                format!("'--{name}[{about}]{follows}'")
            })
            .collect();
        if !words.is_empty() {
            arguments.push(format!("'1:word:({})'", words.join(" ")));
        }
        arguments.push("'--help[prints the help]'".to_owned());
        let _ = writeln!(text, "        {name}) _arguments {} ;;", arguments.join(" "));
    }
    text.push_str(
        "    esac\n}\nif [ \"$funcstack[1]\" = _authkit ]; then\n    _authkit \"$@\"\nelse\n    compdef _authkit \
         authkit\nfi\n",
    );
    text
}

fn fish() -> String {
    let mut text = "complete -c authkit -f\n".to_owned();
    let first = "__fish_use_subcommand";
    for Offered { name, about, options, words } in COMMANDS {
        let _ = writeln!(text, "complete -c authkit -n {first} -a {name} -d '{about}'");
        let after = format!("-n '__fish_seen_subcommand_from {name}'");
        for OfferedOption { name, takes, about } in *options {
            let follows = match takes {
                Takes::Nothing => "",
                Takes::Text => " -x",
                Takes::File => " -r -F",
            };
            let _ = writeln!(text, "complete -c authkit {after} -l {name}{follows} -d '{about}'");
        }
        if !words.is_empty() {
            let _ = writeln!(text, "complete -c authkit {after} -a '{}'", words.join(" "));
        }
    }
    text.push_str("complete -c authkit -s h -l help -d 'prints the help'\n");
    let _ =
        writeln!(text, "complete -c authkit -n {first} -s V -l version -d 'prints the version'");
    text
}
