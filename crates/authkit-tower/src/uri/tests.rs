use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{
    Config, CookiePassword,
    tests::{Fields, authkit_of, headers},
};

fn site() -> Site {
    static SITE: LazyLock<Site> = LazyLock::new(|| at("/auth/callback", ""));
    SITE.clone()
}

fn site_of(set: impl FnOnce(Config) -> Config) -> Site {
    authkit_of(set).0.site().clone()
}

fn at(callback: &str, base: &str) -> Site {
    let password = CookiePassword::new("a password of no less than 32 bytes").unwrap();
    let uri = format!("https://app.example.com{callback}");
    site_of(|_| Config::new("client_1", "sk_1", uri, password).with_base_path(base))
}

fn parse(input: &str) -> Option<String> {
    ReturnTarget::parse(input, &site()).map(|path| path.as_str().to_owned())
}

#[test]
fn honest_paths_come_back_as_they_were() {
    let same = [
        "/",
        "/dashboard",
        "/a/b/",
        "/a//b",
        "/search?q=a+b&c=%2F%2F#",
        "/search?next=https://other.example/",
        "/page#section",
        "/app?x#/route/1?y=//z",
        "/caf%C3%A9?stra%C3%9Fe=1",
        "/q?discount=100%&x",
        "/files/100%",
        "/q?",
        "/q?a=b?c",
        "/...",
        "/.well-known/x",
        "/a..b/c.",
        "/@user",
        "/:x",
        "/loginx",
        "/login2/step",
        "/a/login",
        "/users/~me;v=1,2",
        "/a%5Cb",
        "/q?path=%5Cserver",
        "/q?line=%0A",
        "/list?filter[state]=open|new&ids[]=1",
        "/a[1]|b",
    ];
    for input in same {
        assert_eq!(parse(input).as_deref(), Some(input.trim_end_matches('#')), "{input}");
    }

    let written_otherwise = [
        ("/café", "/caf%C3%A9"),
        ("/a b", "/a%20b"),
        ("/q?name=O'Brien", "/q?name=O%27Brien"),
        ("/q?a=\\b", "/q?a=%5Cb"),
        ("/{id}?x=<y>\"", "/%7Bid%7D?x=%3Cy%3E%22"),
        ("/page#a b", "/page#a%20b"),
        ("/page#a#b", "/page#a%23b"),
        ("/q?a=b#", "/q?a=b"),
        ("/trailing ", "/trailing%20"),
    ];
    for (input, expected) in written_otherwise {
        assert_eq!(parse(input).as_deref(), Some(expected), "{input}");
    }
}

/// A redirect URI may end with a slash, as frameworks of other languages write it.
#[test]
fn rd_01_an_endpoint_whose_path_ends_with_a_slash_is_no_way_back() {
    let site = at("/auth/callback/", "");
    for path in [
        "/auth/callback",
        "/auth/callback/",
        "/auth/callback//",
        "/auth/callback/?code=x",
        "/auth/callback/#x",
        "/auth/%63allback/",
        "/auth/callback%2f",
        "/auth/callback/ ",
        "/login/",
    ] {
        assert_eq!(ReturnTarget::parse(path, &site), None, "{path}");
    }
    for path in ["/auth/callback/x", "/auth/", "/"] {
        assert!(ReturnTarget::parse(path, &site).is_some(), "{path}");
    }
}

#[test]
fn rd_01_nothing_leads_off_our_origin_or_in_circles() {
    let attacks = [
        "",
        "dashboard",
        " /dashboard",
        "?a=b",
        "#",
        "https://evil.example",
        "https://app.example.com/",
        "https://app.example.com@evil.example/",
        "http:/evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "//",
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "//evil.example/%2f..",
        "//evil.example?x=/",
        "//user@evil.example",
        "//[::1]",
        "//xn--80ak6aa92e.com",
        "/\\",
        "/\\evil.example",
        "/\\/evil.example",
        "/\\\\evil.example",
        "\\/evil.example",
        "\\\\evil.example",
        "\\evil.example",
        "/a\\..\\..\\evil.example",
        "/path\\evil",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r/evil.example",
        "/\r\nLocation: https://evil.example",
        "/\u{b}/evil.example",
        "/\0/evil.example",
        "/\u{7f}/evil.example",
        "/\u{85}/evil.example",
        "\t//evil.example",
        "\u{a0}//evil.example",
        "\u{feff}//evil.example",
        "/a\tb",
        "/a?b=\r\nSet-Cookie: x=y",
        "/a?b=\t",
        "/%2fevil.example",
        "/%2Fevil.example",
        "/%2f/evil.example",
        "/%2f%2fevil.example",
        "%2f%2fevil.example",
        "/%252fevil.example",
        "/%25252fevil.example",
        "/%2525252fevil.example",
        "/%5cevil.example",
        "/%5C%5Cevil.example",
        "/%255cevil.example",
        "/%09/evil.example",
        "/%0a/evil.example",
        "/%0d%0aLocation:%20https://evil.example",
        "/a%0d%0ab",
        "/%00/evil.example",
        "/%2500",
        "/%c2%85/x",
        "/.",
        "/..",
        "/./",
        "/.//evil.example",
        "/../evil.example",
        "/..//evil.example",
        "/a/..//evil.example",
        "/a/../../evil.example",
        "/%2e",
        "/%2e/evil",
        "/%2e%2e/",
        "/.%2e//evil.example",
        "/%2E%2E%2Fevil.example",
        "/%252e%252e/evil.example",
        "/..%2f..%2fevil.example",
        "/..%5cevil.example",
        "/a/%2e%2e//evil.example",
        "/\u{ff0f}evil.example",
        "/\u{2044}evil.example",
        "/\u{2215}evil.example",
        "/\u{ff3c}evil.example",
        "/\u{fe68}evil.example",
        "/%ef%bc%8fevil.example",
        "/%E2%81%84evil.example",
        "/login",
        "/login/",
        "/login//",
        "/login?return_to=/x",
        "/login#x",
        "/%6cogin",
        "/%256cogin",
        "/auth/callback",
        "/auth/callback?code=x&state=y",
        "/auth%2fcallback",
        "/auth%5ccallback",
        "/auth%255Ccallback%20?x",
        "/a/..%20",
        "/a/..%3fx",
        "/a%5c.%20%20",
        "/login%3fx",
        "/login%23x",
        "/login%20",
        "/login/%2520",
        "/logout",
        "/logout?x",
    ];
    for input in attacks {
        assert_eq!(parse(input), None, "{input:?}");
    }
}

#[test]
fn rd_02_long_paths_are_refused_however_they_are_written() {
    let longest = format!("/{}", "a".repeat(ReturnTarget::MAX_LEN - 1));
    assert_eq!(parse(&longest).as_deref(), Some(longest.as_str()));
    for (name, input) in [
        ("one more", format!("{longest}a")),
        ("100 kB", format!("/{}", "a".repeat(100_000))),
        ("100 kB of percent signs", format!("/{}", "%25".repeat(33_333))),
        ("grows when encoded", format!("/{}", "é".repeat(1000))),
        ("nested encodings", format!("/%{}2f", "25".repeat(500))),
    ] {
        assert_eq!(parse(&input), None, "{name}");
    }
}

#[test]
fn rd_02_a_referer_is_as_long_as_a_return_target_at_most() {
    let site = site();
    for (length, is_taken) in [(2_048, true), (2_049, false)] {
        let page = format!("{}/", site.origin());
        let url = format!("{page}{}", "a".repeat(length - page.len()));
        assert_eq!(ReturnTarget::of_url(&url, &site).is_some(), is_taken, "{length}");
    }
}

/// Whatever is let through is read by a browser as a place of our own origin, and is accepted again.
#[test]
fn whatever_is_let_through_stays() {
    let pieces = [
        "/",
        "\\",
        "..",
        ".",
        "%2f",
        "%5c",
        "%2e",
        "%25",
        "\t",
        "a",
        "@",
        ":",
        "?",
        "#",
        "evil.example",
        "é",
    ];
    let own = Url::parse("https://app.example.com").unwrap();
    let (mut tried, mut passed) = (0, 0);
    for word in 0..pieces.len().pow(4) {
        let input: String =
            (0..4).map(|at| pieces[word / pieces.len().pow(at) % pieces.len()]).collect();
        for input in [format!("/{input}"), input] {
            tried += 1;
            let Some(path) = parse(&input) else { continue };
            passed += 1;
            for base in ["https://app.example.com", "https://app.example.com/deep/er?x=y"] {
                let seen = Url::parse(base).unwrap().join(&path).unwrap();
                assert_eq!(seen.origin(), own.origin(), "{input:?}");
            }
            assert_eq!(parse(&path).as_deref(), Some(path.as_str()), "{input:?}");
        }
    }
    assert!(
        passed > 1_000 && passed < tried / 2,
        "{passed} of {tried} passed: the rule says too much or too little"
    );
}

/// However often somebody decodes on its way what was let through, browsers read it as a place of our own origin, and not as
/// one of our endpoints.
fn check_every_reading(path: &str) {
    let mut seen = path.to_owned();
    for _ in 0..4 {
        assert!(stays(&seen), "{seen:?}");
        let url = Url::parse("https://app.example.com/deep/er?x=y").unwrap().join(&seen).unwrap();
        assert_eq!(url.origin().ascii_serialization(), "https://app.example.com", "{seen:?}");
        assert!(site().endpoint(url.path()).is_none(), "{seen:?} goes in circles");
        seen = decode(&seen).into_owned();
    }
}

/// The property below finds such an address by chance alone, since it has to put both words of an endpoint in place.
#[test]
fn no_spelling_of_an_endpoint_is_let_through() {
    let words = ["auth", "callback", "login"];
    let between = ["/", "\\", "%2f", "%5c", "%255C", "%20", " ", "%3f", "?", "%23", ".", "%2e", ""];
    let mut passed = 0;
    for one in words {
        for other in words {
            for word in 0..between.len().pow(3) {
                let [a, b, c] =
                    [0, 1, 2].map(|at| between[word / between.len().pow(at) % between.len()]);
                let Some(path) = parse(&format!("/{one}{a}{other}{b}{c}")) else { continue };
                passed += 1;
                check_every_reading(&path);
            }
        }
    }
    assert!(passed > 1_000, "{passed} passed");
}

/// What browsers make of a relative address, after <https://url.spec.whatwg.org/#concept-basic-url-parser>, as far as
/// it decides about the host: written down anew, so that it shares no mistake with the parser in use.
fn stays(address: &str) -> bool {
    let is_c0_or_space = |character: char| character <= ' ';
    let trimmed = address.trim_matches(is_c0_or_space);
    let seen: String = trimmed.chars().filter(|character| !"\t\n\r".contains(*character)).collect();
    let seen = seen.replace('\\', "/");
    seen.starts_with('/') && !seen.starts_with("//")
}

/// What attacks are made of.
#[rustfmt::skip]
const PARTS: &[&str] = &[
    "/", "//", "\\", "%2f", "%2F", "%5c", "%5C", "%25", "%252f", "..", ".", "%2e", "%00", "%09", "%20", "%23", "%3f", "%3b",
    "%0a", "%0d", "\t", "\n", "\r", "\0", " ", "@", ":", ";", "?", "#", "&", "=",
    "[", "]", "%", "%u2215", "\u{2044}", "\u{2215}", "\u{fe68}", "\u{ff0f}", "\u{ff3c}", "\u{feff}", "\u{a0}", "\u{85}", "\u{200b}", "\u{3002}", "%ef%bc%8f",
    "%c0%af", "http:", "https:", "HTTPS:", "javascript:", "data:", "evil.example", "app.example.com", "login", "logout", "auth", "callback", "a", "é",
    "🦀",
];

/// Addresses made of what attacks are made of, and of anything else.
fn addresses() -> impl Strategy<Value = String> {
    let part = prop_oneof![8 => select(PARTS).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from), 1 => "\\PC{0,4}"];
    (any::<bool>(), vec(part, 0..12))
        .prop_map(|(rooted, parts)| format!("{}{}", if rooted { "/" } else { "" }, parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rd_01_whatever_is_let_through_is_ours_to_every_reader(input in addresses()) {
        let Some(path) = parse(&input) else { return Ok(()) };
        prop_assert!(path.len() <= ReturnTarget::MAX_LEN && path.bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert_eq!(parse(&path), Some(path.clone()), "is let through again, and stays as it is");

        check_every_reading(&path);
    }

    #[test]
    fn rd_02_nothing_makes_it_panic(input in any::<String>(), query in any::<String>()) {
        let _ = parse(&input);
        let _ = ReturnTarget::of_query(&query, &site());
        let _ = ReturnTarget::of_url(&input, &site());
    }
}

#[test]
fn the_attacks_of_the_property_are_let_through_now_and_then() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let addresses = addresses();
    let passed = (0..2_000)
        .filter(|_| parse(&addresses.new_tree(&mut runner).unwrap().current()).is_some())
        .count();
    assert!((100..1_500).contains(&passed), "{passed} of 2000: the property would say nothing");
}

#[test]
fn every_client_is_sent_back_to_where_a_browser_can_be() {
    let own = "https://app.example.com";
    let page = [("hx-request", "true"), ("hx-current-url", "https://app.example.com/list?page=2")];
    let cases: &[(&str, &str, &str, Fields<'_>, &str)] = &[
        ("its own path", "GET", "/a/b?c=d", &[], "/a/b?c=d"),
        ("an absolute target", "GET", "https://h2.example/a?b", &[], "/a?b"),
        ("HEAD", "HEAD", "/a", &[], "/a"),
        ("a target that looks like a host", "GET", "//evil.example/x", &[], "/"),
        ("our endpoint", "GET", "/login", &[], "/"),
        ("another method", "POST", "/a", &[], "/"),
        (
            "from our page",
            "POST",
            "/a",
            &[("referer", "https://app.example.com/form?x=1#y")],
            "/form?x=1#y",
        ),
        ("from our root", "POST", "/a", &[("referer", own)], "/"),
        ("from elsewhere", "POST", "/a", &[("referer", "https://evil.example/form")], "/"),
        (
            "from a longer host",
            "POST",
            "/a",
            &[("referer", "https://app.example.com.evil/form")],
            "/",
        ),
        (
            "from a longer port",
            "POST",
            "/a",
            &[("referer", "https://app.example.com:8443/form")],
            "/",
        ),
        ("htmx", "GET", "/rows", &page, "/list?page=2"),
        ("htmx POST", "POST", "/rows", &page, "/list?page=2"),
        (
            "htmx elsewhere",
            "GET",
            "/rows",
            &[("hx-request", "true"), ("hx-current-url", "https://evil.example/")],
            "/",
        ),
        ("htmx silent", "GET", "/rows", &[("hx-request", "true")], "/"),
    ];

    for (name, method, uri, fields, expected) in cases {
        let (method, uri, headers) =
            (method.parse().unwrap(), uri.parse().unwrap(), headers(fields));
        let client = ClientKind::of(&method, &headers);
        let path = ReturnTarget::of_request(client, &method, &uri, &headers, &site());
        assert_eq!(path.as_str(), *expected, "{name}");
    }
}

#[test]
fn login_urls_are_encoded() {
    assert_eq!(site().login_url(&[]), "/login");
    assert_eq!(
        site().login_url(&[("return_to", "/a?b=c&d"), ("max_age", "5")]),
        "/login?return_to=%2Fa%3Fb%3Dc%26d&max_age=5"
    );
}

#[test]
fn paths_beside_the_base_path_are_not_ours() {
    let site = at("/app/callback", "/app");
    let cases = [
        ("/app/", Some("/app/")),
        ("/app/a?b=/c", Some("/app/a?b=/c")),
        ("/app/login2", Some("/app/login2")),
        ("/app", None),
        ("/", None),
        ("/application/a", None),
        ("/a", None),
        ("/login", None),
        ("/%61pp/a", None),
        ("/app%2Fa", None),
        ("/app/login", None),
        ("/app/callback?x", None),
        ("/app/%6cogout", None),
        ("/app/../a", None),
        ("//app/a", None),
        ("/app//evil.example", Some("/app//evil.example")),
    ];
    for (input, expected) in cases {
        let target = ReturnTarget::parse(input, &site);
        assert_eq!(target.as_ref().map(ReturnTarget::as_str), expected, "{input}");
    }
    let (get, uri, none) = (Method::GET, "/a?b".parse().unwrap(), HeaderMap::new());
    let target = ReturnTarget::of_request(ClientKind::Document, &get, &uri, &none, &site);
    assert_eq!(target.as_str(), "/app/a?b", "as the browser sees it");
    let login = "/login".parse().unwrap();
    let target = ReturnTarget::of_request(ClientKind::Document, &get, &login, &none, &site);
    assert_eq!(target.as_str(), "/app/", "an endpoint");
    assert_eq!(site.login_url(&[]), "/app/login");
}

#[test]
fn a_url_leads_to_a_listed_origin_and_to_no_other() {
    let listed = ["https://spa.example.com", "http://localhost:5173"];
    let site = site_of(|config| config.with_return_origins(listed));
    let cases = [
        ("https://spa.example.com", Some("https://spa.example.com/")),
        ("https://spa.example.com/", Some("https://spa.example.com/")),
        ("https://spa.example.com/a b?c=\"d", Some("https://spa.example.com/a%20b?c=%22d")),
        // It may have a page there.
        ("https://spa.example.com/login", Some("https://spa.example.com/login")),
        ("http://localhost:5173/x", Some("http://localhost:5173/x")),
        ("/own", Some("/own")),
        ("https://app.example.com/x", None),
        ("http://spa.example.com/x", None),
        ("HTTPS://spa.example.com/x", None),
        ("https://SPA.example.com/x", None),
        ("https://spa.example.com:443/x", None),
        ("https://spa.example.com:8443/x", None),
        ("https://spa.example.com.evil.example/x", None),
        ("https://spa.example.com@evil.example/x", None),
        ("https://spa.example.com:x@evil.example/x", None),
        ("https://spa.example.com?x", None),
        ("https://spa.example.com\\x", None),
        ("https://spa.example.com//evil.example", None),
        ("https://spa.example.com/\\evil.example", None),
        ("https://spa.example.com/%2fevil.example", None),
        ("https://spa.example.com/../x", None),
        ("https://spa.example.com/a\nb", None),
        ("https:/spa.example.com/x", None),
        ("https:spa.example.com/x", None),
        (" https://spa.example.com/x", None),
        ("//spa.example.com/x", None),
        ("http://localhost:51731/x", None),
        ("http://localhost/x", None),
    ];
    for (input, expected) in cases {
        let target = ReturnTarget::parse(input, &site);
        assert_eq!(target.as_ref().map(ReturnTarget::as_str), expected, "{input}");
    }
    let long = format!("https://spa.example.com/{}", "a".repeat(ReturnTarget::MAX_LEN));
    assert_eq!(ReturnTarget::parse(&long, &site), None);
    // What a page says of itself leads back to our own origin alone.
    let fields = headers(&[("referer", "https://spa.example.com/x")]);
    let (post, uri) = (Method::POST, "/form".parse().unwrap());
    let target = ReturnTarget::of_request(ClientKind::Document, &post, &uri, &fields, &site);
    assert_eq!(target.as_str(), "/");
}

#[test]
fn a_fragment_is_added_in_place_of_another() {
    for (page, fragment, expected) in [
        ("/a?b", "tab", "/a?b#tab"),
        ("/a#old", "new", "/a#new"),
        ("/a#old", "", "/a"),
        ("/a", "/route?x=\"y\"", "/a#/route?x=%22y%22"),
        ("/a", "//evil.example", "/a#//evil.example"),
        ("/a#old", "line\nbreak", "/a#old"),
    ] {
        let target = ReturnTarget::parse(page, &site()).unwrap().with_fragment(fragment, &site());
        assert_eq!(target.as_str(), expected, "{fragment:?}");
    }
    let long = "x".repeat(ReturnTarget::MAX_LEN);
    let target = ReturnTarget::parse("/a", &site()).unwrap().with_fragment(&long, &site());
    assert_eq!(target.as_str(), "/a");
}
