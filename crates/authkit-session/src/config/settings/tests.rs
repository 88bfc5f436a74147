use super::*;
use crate::{
    config::setting::Setting, config_error::ConfigProblem, cookie::set_cookie::SameSite,
    cookie_password::CookiePassword,
};

const PASSWORD: &str = "v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=";
const OTHER_PASSWORD: &str = "Qe1rK8yTn0cWZb3pUj5vXsGm7hLfAo9d2iRkJtYwHx4=";

fn config() -> Config {
    let password = CookiePassword::new(PASSWORD).unwrap();
    Config::new("client_1", "sk_test_1", "https://app.example.com/callback", password)
}

fn problems(config: Config) -> Vec<ConfigProblem> {
    check(config).err().map(ConfigError::into_problems).unwrap_or_default()
}

/// The problems of a good configuration from variables, with these in place of the good ones.
fn problems_with(vars: &[(&str, &str)]) -> Vec<ConfigProblem> {
    let good = [
        ("WORKOS_CLIENT_ID", "client_1"),
        ("WORKOS_API_KEY", "sk_test_1"),
        ("WORKOS_REDIRECT_URI", "https://app.example.com/callback"),
        ("WORKOS_COOKIE_PASSWORD", PASSWORD),
    ];
    // A loopback base needs no certificates, which take time to be read. Its parts count where it is not given.
    let has_part =
        |name: &str| ["HOSTNAME", "HTTPS", "PORT"].iter().any(|part| name.ends_with(part));
    let base = (!vars.iter().any(|(name, _)| has_part(name)))
        .then_some(("WORKOS_BASE_URL", "http://127.0.0.1:4100"));
    let find = |name: &str| vars.iter().chain(&good).chain(&base).find(|(known, _)| *known == name);
    let config = Config::from_vars(|name| find(name).map(|(_, value)| (*value).to_owned()));
    config.err().map(ConfigError::into_problems).unwrap_or_default()
}

/// Each is refused at start, by a line that names the variable and the method, what is wrong, and what to write.
#[test]
fn e10_every_mistake_in_a_variable_is_named_with_what_to_write() {
    let cases: [(&str, &str, &str, &str); 79] = [
        // Copied with something around it.
        ("WORKOS_CLIENT_ID", "\"client_1\"", "is in quotes", "without the quotes"),
        ("WORKOS_CLIENT_ID", "'client_1'", "is in quotes", "without the quotes"),
        ("WORKOS_CLIENT_ID", "\u{201c}client_1\u{201d}", "is in quotes", "without the quotes"),
        ("WORKOS_CLIENT_ID", "client_1\"", "ends with a quote", "without the quote"),
        ("WORKOS_CLIENT_ID", "client_1 ", "ends with white space", "without the white space"),
        ("WORKOS_CLIENT_ID", "\tclient_1", "starts with white space", "without the white space"),
        ("WORKOS_CLIENT_ID", "client_1\n", "ends with a line break", "without the line break"),
        ("WORKOS_CLIENT_ID", "client_1\r\n", "ends with a line break", "without the line break"),
        ("WORKOS_CLIENT_ID", "client_1 # staging", "white space in it", "without the white space"),
        ("WORKOS_CLIENT_ID", "client_1/2", "`client_1/2`", "`client_...`"),
        ("WORKOS_CLIENT_ID", "client_é", "characters that no client id has", "`client_...`"),
        ("WORKOS_CLIENT_ID", "\u{feff}client_1", "no editor shows", "type it"),
        ("WORKOS_API_KEY", "sk_test_1\u{200b}", "no editor shows", "type it"),
        ("WORKOS_REDIRECT_URI", "https://a.test/callback\u{200b}", "no editor shows", "type it"),
        ("WORKOS_REDIRECT_URI", "\u{202a}https://a.test/callback", "no editor shows", "type it"),
        ("WORKOS_REDIRECT_URI", "https://a\u{ad}b.test/callback", "no editor shows", "type it"),
        ("WORKOS_ISSUER", "https://a.test\u{2060}", "no editor shows", "type it"),
        ("WORKOS_API_KEY", "\"sk_test_1\"", "is in quotes", "without the quotes"),
        ("WORKOS_API_KEY", "'sk_test_1", "starts with a quote", "without the quote"),
        ("WORKOS_API_KEY", "sk_test_1\n", "ends with a line break", "without the line break"),
        ("WORKOS_API_KEY", "sk_test\"1", "has a quote in it", "without the quote"),
        ("WORKOS_API_KEY", "sk_test 1", "white space in it", "without the white space"),
        (
            "WORKOS_API_KEY",
            "sk_test_\u{7}1",
            "a control character",
            "without the control character",
        ),
        ("WORKOS_API_KEY", "sk_test_é", "outside of ASCII", "`sk_...`"),
        ("WORKOS_ISSUER", "\"https://api.workos.com\"", "is in quotes", "without the quotes"),
        ("WORKOS_ISSUER", "https://a.test, 'https://b.test'", "is in quotes", "without the quotes"),
        (
            "WORKOS_ISSUER",
            "https://a.test https://b.test",
            "white space",
            "without the white space",
        ),
        ("WORKOS_ISSUER", " , ", "names no issuer", "leave the variable out"),
        ("WORKOS_ORIGINS", "https://b.test, c.test", "no scheme", "write `https://c.test`"),
        ("WORKOS_ORIGINS", "\"https://b.test\"", "is not a URL", "https://"),
        ("WORKOS_RETURN_ORIGINS", "https://spa.test/", "slash at the end", "`https://spa.test`"),
        ("WORKOS_RETURN_ORIGINS", "https://*.spa.test", "a wildcard", "write each origin"),
        ("WORKOS_BASE_PATH", "app", "no plain path", "such as `/app`"),
        ("WORKOS_BASE_PATH", "/app", "does not begin the path", "as browsers see it"),
        // In the wrong place.
        ("WORKOS_CLIENT_ID", "sk_test_1", "holds an API key", "`client_...`"),
        ("WORKOS_CLIENT_ID", "\"sk_test_1\"", "holds an API key", "`client_...`"),
        ("WORKOS_API_KEY", "client_1", "holds a client id", "`sk_...`"),
        // Not there.
        ("WORKOS_CLIENT_ID", "", "is not set", "`client_...`"),
        ("WORKOS_API_KEY", "", "is not set", "`sk_...`"),
        ("WORKOS_REDIRECT_URI", "", "is not set", "such as `https://app.example.com/callback`"),
        ("WORKOS_COOKIE_PASSWORD", "", "is not set", "openssl rand -base64 32"),
        ("WORKOS_COOKIE_PASSWORD", "hunter2", "has 7 bytes", "openssl rand -base64 32"),
        ("WORKOS_COOKIE_PASSWORD_OTHERS", "hunter2", "number 1 of them has 7 bytes", "32 bytes"),
        // A redirect URI that browsers cannot be sent to, or that is not what it seems.
        (
            "WORKOS_REDIRECT_URI",
            "https://app.example.com/callback#x",
            "a fragment",
            "without the `#`",
        ),
        (
            "WORKOS_REDIRECT_URI",
            "https://u:hunter2@app.example.com/callback",
            "`https://***@",
            "without what stands before the `@`",
        ),
        ("WORKOS_REDIRECT_URI", "https://*.example.com/callback", "wildcard", "without `*`"),
        ("WORKOS_REDIRECT_URI", "https://${HOST}/callback", "placeholder", "or `$`"),
        ("WORKOS_REDIRECT_URI", "https://$HOST/callback", "placeholder", "or `$`"),
        (
            "WORKOS_REDIRECT_URI",
            "https://<your domain>/callback",
            "white space",
            "without the white space",
        ),
        ("WORKOS_REDIRECT_URI", "https://app.example.com/{tenant}/callback", "placeholder", "`{}`"),
        ("WORKOS_REDIRECT_URI", "https://app.example.com/:tenant/callback", "placeholder", "`:`"),
        ("WORKOS_REDIRECT_URI", "https://app.example.com", "no path of its own", "callback`"),
        ("WORKOS_REDIRECT_URI", "https://app.example.com/?a", "no path of its own", "callback`"),
        ("WORKOS_REDIRECT_URI", "/callback", "does not start with `http://`", "the whole URL"),
        ("WORKOS_REDIRECT_URI", "localhost:3000/callback", "does not start with", "the whole URL"),
        ("WORKOS_REDIRECT_URI", "app://x/callback", "does not start with", "the whole URL"),
        (
            "WORKOS_REDIRECT_URI",
            "https:/app.example.com/callback",
            "does not start with",
            "the whole URL",
        ),
        (
            "WORKOS_REDIRECT_URI",
            "https://app.example.com/call\nback",
            "a line break in it",
            "in one line",
        ),
        (
            "WORKOS_REDIRECT_URI",
            "https://app.example.com:99999/callback",
            "is no valid URL",
            "the whole URL",
        ),
        ("WORKOS_REDIRECT_URI", "https://app..example.com/callback", "no host name", "the host"),
        (
            "WORKOS_REDIRECT_URI",
            "\"https://app.example.com/callback\"",
            "is in quotes",
            "without the quotes",
        ),
        (
            "WORKOS_REDIRECT_URI",
            "https://app.example.com/callback ",
            "ends with white space",
            "without",
        ),
        // A base that calls cannot be sent to.
        ("WORKOS_BASE_URL", "http://api.workos.com", "unencrypted", "`https://` URL"),
        ("WORKOS_BASE_URL", "http://localhost.evil.test", "unencrypted", "`https://` URL"),
        ("WORKOS_BASE_URL", "api.workos.com", "does not start with", "the whole URL"),
        ("WORKOS_BASE_URL", "https://u:hunter2@api.workos.com", "a user or password", "without"),
        (
            "WORKOS_BASE_URL",
            "https://api.workos.com?key=hunter2",
            "`https://api.workos.com?***`",
            "without the query",
        ),
        ("WORKOS_BASE_URL", "https://api.workos.com/#x", "a fragment", "without the `#`"),
        (
            "WORKOS_BASE_URL",
            "https://api.workos.com/user_management",
            "the path of a call",
            "such as `https://api.workos.com`",
        ),
        ("WORKOS_BASE_URL", "https://api.workos.com//v1", "an empty part", "one `/`"),
        ("WORKOS_BASE_URL", "https://api.workos.com\n", "ends with a line break", "without"),
        ("WORKOS_AUTHORIZE_BASE_URL", "http://auth.example.com", "unencrypted", "`https://` URL"),
        ("WORKOS_AUTHORIZE_BASE_URL", "'https://auth.example.com'", "is in quotes", "without"),
        ("WORKOS_API_HOSTNAME", "https://api.workos.com", "no bare host name", "`api.workos.com`"),
        ("WORKOS_API_HOSTNAME", "localhost:4100", "no bare host name", "`api.workos.com`"),
        ("WORKOS_API_PORT", "many", "is `many`, which is no port", "such as 443"),
        ("WORKOS_API_HTTPS", "no", "neither yes nor no", "`true` or `false`"),
        ("WORKOS_API_HTTPS", "false", "unencrypted", "`true`"),
        (
            "WORKOS_COOKIE_DOMAIN",
            "https://example.com",
            "browsers do not take",
            "the host of the redirect URI",
        ),
    ];
    for (variable, value, found, wants) in cases {
        let problems = problems_with(&[(variable, value)]);
        let [problem] = &problems[..] else { panic!("{variable}={value}: {problems:?}") };
        let line = problem.to_string();
        let finding = problem.finding();
        assert_eq!(finding.setting().variable(), Some(variable), "{line}");
        assert!(line.contains(&format!("Config::{}", finding.setting().method())), "{line}");
        assert!(finding.found().contains(found), "{variable}={value}: {line}");
        assert!(finding.wants().contains(wants), "{variable}={value}: {line}");
        assert!(!line.contains("hunter2") && !line.contains("sk_test_1"), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

#[test]
fn e10_the_client_id_and_the_api_key_swapped_are_named_as_that() {
    let error =
        check(Config { client_id: "sk_test_1".into(), api_key: "client_1".into(), ..config() });
    let text = error.err().unwrap().to_string();
    assert!(text.contains("holds an API key (`sk_...`), and the API key is a client id"), "{text}");
    assert!(text.contains("holds a client id (`client_...`)"), "{text}");
}

#[test]
fn every_unusable_setting_is_refused_and_every_usable_one_taken() {
    let http = |config: Config| Config {
        redirect_uri: "http://localhost:3000/callback".to_owned(),
        ..config
    };
    let below = |config: Config| Config {
        redirect_uri: "https://app.example.com/app/callback".to_owned(),
        ..config.with_base_path("/app")
    };
    let cases: [(&str, Config, &[Setting]); 41] = [
        ("the least", config(), &[]),
        ("a base path", below(config()), &[]),
        ("a login path below it", below(config().with_login_path("/app/enter")), &[]),
        (
            "a login path beside it",
            below(config().with_login_path("/enter")),
            &[Setting::LoginPath],
        ),
        (
            "a base path and a prefixed cookie",
            below(config().with_host_prefix()),
            &[Setting::HostPrefix],
        ),
        ("another scheme", config().with_origins(["http://b.test"]), &[Setting::Origins]),
        (
            "a return origin of another scheme",
            config().with_return_origins(["http://localhost:5173"]),
            &[],
        ),
        ("http on localhost", http(config()), &[]),
        (
            "a redirect URI with a query",
            Config { redirect_uri: "https://app.example.com/callback?a=b".to_owned(), ..config() },
            &[],
        ),
        (
            "the API behind a path",
            config().with_base_url("https://gateway.example.com/workos/"),
            &[],
        ),
        ("the API on loopback", config().with_base_url("http://127.0.0.1:4100"), &[]),
        ("the API on IPv6 loopback", config().with_base_url("http://[::1]:4100"), &[]),
        ("a name with a semicolon", config().with_cookie_name("a;b"), &[Setting::CookieName]),
        ("a name with a prefix", config().with_cookie_name("__Host-a"), &[Setting::CookieName]),
        ("no name", config().with_cookie_name(""), &[Setting::CookieName]),
        ("a prefix on http", http(config()).with_host_prefix(), &[Setting::HostPrefix]),
        (
            "a prefix with a domain",
            config().with_host_prefix().with_cookie_domain("example.com"),
            &[Setting::HostPrefix],
        ),
        ("a domain above", config().with_cookie_domain(".example.com"), &[]),
        ("a domain of others", config().with_cookie_domain("ample.com"), &[Setting::CookieDomain]),
        ("a top-level domain", config().with_cookie_domain("com"), &[Setting::CookieDomain]),
        (
            "SameSite=None on http",
            http(config()).with_same_site(SameSite::None),
            &[Setting::SameSite],
        ),
        (
            "401 days",
            config().with_cookie_max_age(Duration::from_secs(401 * 86_400)),
            &[Setting::CookieMaxAge],
        ),
        ("no time at all", config().with_cookie_max_age(Duration::ZERO), &[Setting::CookieMaxAge]),
        (
            "a protocol-relative path",
            config().with_login_path("//evil.test"),
            &[Setting::LoginPath],
        ),
        ("a pattern", config().with_logout_path("/{path}"), &[Setting::LogoutPath]),
        ("a pattern of old", config().with_login_path("/:path"), &[Setting::LoginPath]),
        ("any path below", config().with_login_path("/login/*rest"), &[Setting::LoginPath]),
        ("a colon within", config().with_login_path("/log:in*"), &[]),
        ("one path for two", config().with_logout_path("/login"), &[Setting::LogoutPath]),
        (
            "sign-out at the callback",
            config().with_logout_path("/callback"),
            &[Setting::LogoutPath],
        ),
        ("sign-in where it ends", config().with_login_path("/"), &[Setting::LoginPath]),
        (
            "all in one place",
            config().with_login_path("/callback").with_logout_path("/callback"),
            &[Setting::LoginPath, Setting::LogoutPath, Setting::LogoutPath],
        ),
        ("a script", config().with_after_logout("javascript:alert(1)"), &[Setting::AfterLogout]),
        ("a page elsewhere", config().with_after_logout("https://example.com/bye?a#b"), &[]),
        (
            "a page that ends in a space",
            config().with_after_logout("/bye "),
            &[Setting::AfterLogout],
        ),
        ("the longest leeway", config().with_leeway(Duration::from_secs(60)), &[]),
        ("a long leeway", config().with_leeway(Duration::from_secs(61)), &[Setting::Leeway]),
        (
            "a domain below which everybody can have a name",
            Config { redirect_uri: "https://mine.vercel.app/callback".into(), ..config() }
                .with_cookie_domain(".vercel.app"),
            &[Setting::CookieDomain],
        ),
        ("an audience in quotes", config().with_audiences(["\"api\""]), &[Setting::Audiences]),
        ("an issuer that is empty", config().with_issuers([""]), &[Setting::Issuers]),
        ("no client id", Config { client_id: String::new(), ..config() }, &[Setting::ClientId]),
    ];
    for (name, config, expected) in cases {
        let problems = problems(config);
        let settings: Vec<_> = problems.iter().map(|problem| problem.finding().setting()).collect();
        assert_eq!(settings, expected, "{name}: {problems:?}");
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let config = Config { client_id: String::new(), ..config() }
        .with_base_url("ftp://x")
        .with_logout_path("logout")
        .with_seal_format(crate::SealFormat::Rust);
    let error = check(config).err().unwrap();
    assert_eq!(error.problems().len(), 4, "{error}");
    assert!(error.to_string().contains("64 hexadecimal characters"), "{error}");
}

#[test]
fn what_is_empty_in_code_is_missing_as_an_empty_variable_is() {
    let password = CookiePassword::new(PASSWORD).unwrap();
    let problems = problems(Config::new("", "", "", password));
    let missing = |setting| {
        let is_missing = |problem: &&ConfigProblem| matches!(problem, ConfigProblem::Missing(_));
        problems.iter().filter(is_missing).any(|problem| problem.finding().setting() == setting)
    };
    for setting in [Setting::ClientId, Setting::ApiKey, Setting::RedirectUri] {
        assert!(missing(setting), "{setting}: {problems:?}");
    }
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn the_kind_of_the_environment_is_read_off_the_api_key() {
    for (key, expected) in
        [("sk_test_1", "test"), ("sk_live_1", "live"), ("sk_1", "unknown"), ("test", "unknown")]
    {
        assert_eq!(Environment::of(&key.into()).as_str(), expected, "{key}");
    }
}

/// A secret in the wrong variable is a mistake like others, and its message ends up in logs.
#[test]
fn e10_no_message_shows_a_secret_whatever_variable_it_is_in() {
    let variables = Setting::ALL.into_iter().filter_map(Setting::variable).collect::<Vec<_>>();
    for secret in [PASSWORD, OTHER_PASSWORD, "sk_test_1", "sk_live_2"] {
        for variable in &variables {
            for value in [
                secret.to_owned(),
                format!("\"{secret}\""),
                format!("https://user:{secret}@host"),
                format!("https://host/?{secret}"),
                format!("https://host/#{secret}"),
            ] {
                for variable in [(*variable).to_owned(), format!("{variable}_FILE")] {
                    for problem in problems_with(&[(&variable, &value)]) {
                        let texts = format!("{problem} {problem:?}");
                        assert!(!texts.contains(secret), "{variable}={value}: {texts}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_configuration_that_works_is_warned_of_where_it_is_hardly_meant() {
    let with = |change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        config
    };
    let password = |password: &str| CookiePassword::new(password).unwrap();
    let cases: [(&str, Config, &[&str]); 14] = [
        ("nothing", config(), &[]),
        (
            "a client id of another form",
            with(|config| config.client_id = "app_1".into()),
            &["WORKOS_CLIENT_ID (Config::new) is `app_1`, which does not start with `client_`"],
        ),
        (
            "an API key of another form",
            with(|config| config.api_key = "key_1".into()),
            &["WORKOS_API_KEY (Config::new) does not start with `sk_`"],
        ),
        (
            "http elsewhere",
            with(|config| config.redirect_uri = "http://app.example.com/callback".into()),
            &[
                "WORKOS_REDIRECT_URI (Config::new) is `http://app.example.com/callback`, so that session cookies cross",
            ],
        ),
        (
            "http here",
            with(|config| config.redirect_uri = "http://app.localhost/callback".into()),
            &[],
        ),
        (
            "https here",
            with(|config| config.redirect_uri = "https://localhost:3000/callback".into()),
            &[
                "WORKOS_REDIRECT_URI (Config::new) is `https://localhost:3000/callback`, and a service on axum",
            ],
        ),
        (
            "a password in quotes",
            Config { password: password(&format!("\"{PASSWORD}\"")), ..config() },
            &["WORKOS_COOKIE_PASSWORD (Config::new) is in quotes"],
        ),
        (
            "a password with a line break",
            Config { password: password(&format!("{PASSWORD}\n")), ..config() },
            &["WORKOS_COOKIE_PASSWORD (Config::new) ends with a line break"],
        ),
        (
            "a weak password",
            Config { password: password("0123456789abcdef0123456789abcdef"), ..config() },
            &["WORKOS_COOKIE_PASSWORD (Config::new) repeats itself"],
        ),
        (
            "another weak password",
            config().with_other_passwords([password(PASSWORD), password(&"a".repeat(32))]),
            &[
                "WORKOS_COOKIE_PASSWORD_OTHERS (Config::with_other_passwords) number 2 of them has few",
            ],
        ),
        (
            "a passphrase with spaces",
            Config { password: password("correct horse battery staple, thirty-two"), ..config() },
            &[],
        ),
        (
            "an issuer that is no URL",
            config().with_issuers(["api.workos.com"]),
            &["WORKOS_ISSUER (Config::with_issuers) names `api.workos.com`, which is no URL"],
        ),
        (
            "no issuer",
            config().with_issuers(Vec::<String>::new()),
            &["WORKOS_ISSUER (Config::with_issuers) names no issuer"],
        ),
        ("an issuer", config().with_issuers(["https://api.workos.com"]), &[]),
    ];
    for (name, config, expected) in cases {
        let checked = check(config).unwrap();
        let warnings: Vec<String> =
            checked.settings.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), expected.len(), "{name}: {warnings:?}");
        for (warning, expected) in warnings.iter().zip(expected) {
            assert!(warning.starts_with(expected), "{name}: {warning}");
            assert!(!warning.contains(PASSWORD), "{name}: {warning}");
        }
    }
}

/// What is wrong with a key is found as at the start, and a key of another environment would refuse every session.
#[test]
fn another_api_key_is_checked_as_the_first() {
    let with = |key: &str| {
        let settings = check(Config { api_key: key.into(), ..config() }).unwrap().settings;
        move |other: &str| {
            let problem = settings.check_api_key(&other.into()).err();
            problem.map(|error| error.problems()[0].finding().found().to_owned())
        }
    };
    let (test, live, other) = (with("sk_test_1"), with("sk_live_1"), with("key_1"));
    for (name, found, expected) in [
        ("another", test("sk_test_2"), None),
        ("empty", test(""), Some("is not set")),
        ("in quotes", test("\"sk_test_2\""), Some("is in quotes, which count as part of it")),
        ("a line break", live("sk_live_2\n"), Some("ends with a line break")),
        ("a client id", live("client_1"), Some("holds a client id (`client_...`)")),
        (
            "live in test",
            test("sk_live_2"),
            Some("is of a live environment, and the first was of a test one"),
        ),
        (
            "test in live",
            live("sk_test_2"),
            Some("is of a test environment, and the first was of a live one"),
        ),
        ("from another form", other("sk_live_2"), None),
        ("to another form", live("key_2"), None),
    ] {
        assert_eq!(found.as_deref(), expected, "{name}");
    }
}

#[test]
fn an_error_prints_alike_whatever_prints_it() {
    let error = check(config().with_login_path("/").with_logout_path("/logout?")).err().unwrap();
    assert_eq!(format!("{error:?}"), error.to_string());
    assert_eq!(format!("{error:#?}"), error.to_string());
    assert_eq!(
        error.to_string(),
        "2 settings have to be corrected:
  - Config::with_login_path is `/`, which is where sign-ins end: choose another path
  - Config::with_logout_path is `/logout?`, which is no plain path: write a path that starts with one `/`, \
         without query, fragment or pattern"
    );
}

#[test]
fn a_debugged_configuration_shows_no_secret() {
    let shown = format!("{:?}", config());
    assert!(!shown.contains("sk_test_1") && !shown.contains(PASSWORD), "{shown}");
}
