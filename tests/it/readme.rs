//! The times and features in the README agree with the page and the manifest that state them, and links lead to files.

const README: &str = include_str!("../../README.md");
const BENCHMARKS: &str = include_str!("../../docs/benchmarks.md");

/// The cells of the row below `heading` whose first cell is `first`.
fn row<'a>(page: &'a str, heading: &str, first: &str) -> Vec<&'a str> {
    let (_, section) = page.split_once(heading).unwrap_or_else(|| panic!("no `{heading}`"));
    let line = section.lines().find(|line| line.starts_with(&format!("| {first} |")));
    let line = line.unwrap_or_else(|| panic!("no row `{first}` below `{heading}`"));
    line.trim_matches('|').split(" | ").map(|cell| cell.trim_matches([' ', '|'])).collect()
}

/// Reads a time such as `22.1 us`; returns nanoseconds.
fn time(cell: &str) -> f64 {
    let (number, unit) = cell.split_once(' ').unwrap();
    let unit = match unit {
        "ns" => 1.0,
        "us" => 1_000.0,
        other => panic!("{other}"),
    };
    number.parse::<f64>().unwrap() * unit
}

/// Each run of the benchmarks changes their page: the README may differ from it by a factor of 0.6 to 1.6.
#[test]
fn its_times_are_those_of_the_page_of_benchmarks() {
    let one = "## One request";
    let whole = "## A whole service";
    let by_hand = "## Why not by hand";
    let sdk = "official SDK (`workos` 3.5.0)";
    let cases = [
        (
            "deciding about a session that was seen before",
            row(BENCHMARKS, one, sdk)[1],
            row(BENCHMARKS, one, "ours, known cookie")[1],
        ),
        (
            "about a new one",
            row(BENCHMARKS, one, sdk)[1],
            row(BENCHMARKS, one, "ours, cookie not seen before")[1],
        ),
        (
            "CPU time of the service for it, a request",
            row(BENCHMARKS, whole, "official SDK, called in the handler")[2],
            row(BENCHMARKS, whole, "ours, known cookie")[2],
        ),
    ];
    for (name, theirs, ours) in cases {
        let said = row(README, by_hand, name);
        for (said, measured) in [(said[1], theirs), (said[2], ours)] {
            let ratio = time(said) / time(measured);
            assert!(
                (0.6..1.6).contains(&ratio),
                "{name}: {said} in the README, {measured} measured"
            );
        }
    }
}

#[test]
fn it_names_every_feature_of_the_crate_that_users_name() {
    let manifest = include_str!("../../crates/authkit-tower/Cargo.toml");
    let (_, features) = manifest.split_once("\n[features]\n").unwrap();
    let features = features.split("\n[").next().unwrap().lines();
    let names =
        features.filter(|line| !line.starts_with("##")).filter_map(|line| line.split_once(" = "));
    let names: Vec<_> = names.map(|(name, _)| name).filter(|name| *name != "default").collect();
    assert!(names.contains(&"axum"), "{names:?}");
    let (_, table) = README.split_once("## What there is").unwrap();
    let table = table.split("\n## ").next().unwrap();
    for name in names {
        assert!(
            table.contains(&format!("`{name}`")),
            "the table of features does not name `{name}`"
        );
    }
}

#[test]
fn every_file_that_a_page_links_to_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut pages =
        vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned(), "ARCHITECTURE.md".to_owned()];
    for folder in ["docs", "docs/guides"] {
        let files =
            std::fs::read_dir(root.join(folder)).unwrap().map(|file| file.unwrap().file_name());
        let files = files.map(|name| format!("{folder}/{}", name.to_str().unwrap()));
        pages.extend(files.filter(|name| name.ends_with(".md")));
    }
    let mut links = 0;
    for page in pages {
        let path = root.join(&page);
        let text = std::fs::read_to_string(&path).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let pictures = text.split("src=\"").skip(1).chain(text.split("srcset=\"").skip(1));
        let pictures = pictures.filter_map(|rest| rest.split('"').next());
        for target in targets.chain(pictures).filter(|target| !target.contains(':')) {
            let file = target.split('#').next().unwrap();
            let found = file.is_empty() || path.with_file_name(file).exists();
            assert!(found, "{page} links to {target}, which is not there");
            links += 1;
        }
    }
    assert!(links > 50, "{links}");
}
