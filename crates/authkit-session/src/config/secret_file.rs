//! Reads secrets from files, as container platforms mount them.

use std::{
    fs::File,
    io::{self, Read},
};

/// The text of a file, without the line breaks at its end.
///
/// # Errors
///
/// Why the file could not be read, without any of its content.
pub(super) fn read(path: &str) -> Result<String, String> {
    let reason = |error: io::Error| error.to_string();
    let mut bytes = Vec::new();
    File::open(path).map_err(reason)?.take(MOST + 1).read_to_end(&mut bytes).map_err(reason)?;
    if bytes.len() as u64 > MOST {
        return Err(format!("it has more than {MOST} bytes"));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    // Some editors write one.
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text) }
}

/// The path in backquotes, unless it looks like the secret itself.
pub(super) fn quote(path: &str) -> String {
    let is_path = path.starts_with(['/', '.', '~', '\\']) || path.len() < 32;
    if is_path && !path.ends_with('=') && !path.contains("sk_") {
        format!("`{}`", path.escape_debug())
    } else {
        format!(
            "(a text of {} characters, which looks like a secret and no path)",
            path.chars().count()
        )
    }
}

/// Far longer than any secret.
const MOST: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf, process};

    use crate::{Config, ConfigError, Setting};

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("authkit-{name}-{}", process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn write(&self, name: &str, content: &[u8]) -> String {
            let path = self.0.join(name);
            fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            // What is left in the folder for temporary files does no harm.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const PASSWORD: &str = "v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=";
    const OTHER_PASSWORD: &str = "Qe1rK8yTn0cWZb3pUj5vXsGm7hLfAo9d2iRkJtYwHx4=";

    fn read(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let plain = [
            ("WORKOS_CLIENT_ID", "client_1"),
            ("WORKOS_REDIRECT_URI", "https://app.example.com/callback"),
        ];
        let find = |name: &str| vars.iter().chain(&plain).find(|(known, _)| *known == name);
        Config::from_vars(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn secrets_come_from_files_without_the_line_breaks_at_their_ends() {
        let folder = Folder::new("secrets");
        for (start, end) in [("", ""), ("", "\n"), ("", "\r\n"), ("", "\n\n"), ("\u{feff}", "\r\n")]
        {
            let key = folder.write("key", format!("{start}sk_test_1{end}").as_bytes());
            let password = folder.write("password", format!("{start}{PASSWORD}{end}").as_bytes());
            let others = format!("{OTHER_PASSWORD}\n{PASSWORD},{OTHER_PASSWORD}{end}");
            let others = folder.write("others", others.as_bytes());
            let config = read(&[
                ("WORKOS_API_KEY_FILE", &key),
                ("WORKOS_COOKIE_PASSWORD_FILE", &password),
                ("WORKOS_COOKIE_PASSWORD_OTHERS_FILE", &others),
            ]);
            let config = config.unwrap();
            assert_eq!(config.api_key.expose(), "sk_test_1", "{end:?}");
            assert_eq!(config.password.expose(), PASSWORD, "{end:?}");
            let others: Vec<_> =
                config.other_passwords.iter().map(|other| other.expose()).collect();
            assert_eq!(others, [OTHER_PASSWORD, PASSWORD, OTHER_PASSWORD], "{end:?}");
        }
    }

    #[test]
    fn a_file_that_gives_no_secret_is_named_with_the_reason() {
        let folder = Folder::new("no-secrets");
        let key = folder.write("key", b"sk_test_1");
        let password = folder.write("password", PASSWORD.as_bytes());
        let missing = folder.0.join("missing").to_str().unwrap().to_owned();
        let directory = folder.0.to_str().unwrap().to_owned();
        let cases: [(&str, &str, String, &str); 6] = [
            ("missing", "WORKOS_API_KEY_FILE", missing, "No such file"),
            ("a folder", "WORKOS_API_KEY_FILE", directory, "directory"),
            ("empty", "WORKOS_API_KEY_FILE", folder.write("empty", b"\n"), "it is empty"),
            (
                "bytes",
                "WORKOS_COOKIE_PASSWORD_FILE",
                folder.write("bytes", &[255; 40]),
                "not UTF-8",
            ),
            (
                "huge",
                "WORKOS_COOKIE_PASSWORD_OTHERS_FILE",
                folder.write("huge", &vec![b'a'; 1 << 20]),
                "more than 65536 bytes",
            ),
            (
                "two lines",
                "WORKOS_API_KEY_FILE",
                folder.write("lines", b"sk_1\nsk_2"),
                "line break",
            ),
        ];
        for (name, variable, path, reason) in cases {
            let good =
                [("WORKOS_API_KEY_FILE", &*key), ("WORKOS_COOKIE_PASSWORD_FILE", &*password)];
            let vars: Vec<_> = [(variable, &*path)].into_iter().chain(good).collect();
            let error = read(&vars).unwrap_err();
            let [problem] = error.problems() else { panic!("{name}: {error}") };
            let setting = problem.finding().setting();
            assert_eq!(format!("{}_FILE", setting.variable().unwrap()), variable, "{name}");
            assert!(problem.to_string().contains(reason), "{name}: {problem}");
            if name != "two lines" {
                assert!(
                    problem.to_string().contains(&format!("`{path}` of {variable}")),
                    "{problem}"
                );
            }
        }
    }

    #[test]
    fn a_secret_that_is_given_twice_is_refused() {
        let folder = Folder::new("twice");
        let key = folder.write("key", b"sk_test_1");
        let vars = [
            ("WORKOS_API_KEY", "sk_test_1"),
            ("WORKOS_API_KEY_FILE", &key),
            ("WORKOS_COOKIE_PASSWORD", PASSWORD),
        ];
        let error = read(&vars).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
        let finding = error.problems()[0].finding();
        assert_eq!(finding.setting(), Setting::ApiKey);
        assert_eq!(finding.found(), "is set, and so is WORKOS_API_KEY_FILE");
    }

    #[test]
    fn a_secret_in_place_of_a_path_is_not_shown() {
        for secret in ["sk_test_1", PASSWORD] {
            let vars = [("WORKOS_API_KEY_FILE", secret), ("WORKOS_COOKIE_PASSWORD", PASSWORD)];
            let text = read(&vars).unwrap_err().to_string();
            assert!(!text.contains(secret) && text.contains("no path"), "{text}");
        }
    }
}
