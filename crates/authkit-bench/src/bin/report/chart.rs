use std::fmt::Write;

use crate::{page::nanoseconds, results::Results};

/// Two bar charts, one below the other, that are readable on light and dark pages.
pub(crate) fn draw(results: &Results) -> String {
    let requests = [
        ("official SDK", "one/sdk", Owner::Other),
        ("token alone (jsonwebtoken)", "one/jsonwebtoken", Owner::Other),
        ("AES-GCM and RSA alone", "one/cryptography", Owner::Other),
        ("ours, cache off", "one/ours-cold", Owner::Ours),
        ("ours, known cookie", "one/ours-known", Owner::Ours),
    ]
    .map(|(label, name, owner)| {
        let time = results.time(name);
        Bar { label, value: time, text: nanoseconds(time), owner }
    });
    let services = [
        ("official SDK", "sdk", Owner::Other),
        ("axum-login", "axum-login", Owner::Other),
        ("tower-sessions", "tower-sessions", Owner::Other),
        ("PrivateCookieJar", "private-cookie-jar", Owner::Other),
        ("ours, cache off", "ours-cold", Owner::Ours),
        ("ours, known cookie", "ours", Owner::Ours),
    ]
    .map(|(label, kind, owner)| {
        // A negative difference is noise.
        let extra = results.extra(kind).max(0.0);
        Bar { label, value: extra, text: format!("{extra:.1} us"), owner }
    });

    let mut svg = String::new();
    let first = Chart { title: "Authenticating one request", bars: &requests };
    let second = Chart {
        title: "Processor time that it adds to a request of a whole service",
        bars: &services,
    };
    let height = first.height() + second.height();
    let head = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="14">"#
    );
    push(&mut svg, &head);
    push(&mut svg, STYLE);
    first.draw(&mut svg, 0);
    second.draw(&mut svg, first.height());
    push(&mut svg, "</svg>");
    svg
}

struct Chart<'a> {
    title: &'a str,
    bars: &'a [Bar],
}

struct Bar {
    label: &'static str,
    value: f64,
    text: String,
    owner: Owner,
}

#[derive(Clone, Copy)]
enum Owner {
    Ours,
    Other,
}

impl Owner {
    fn class(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Other => "other",
        }
    }
}

impl Chart<'_> {
    fn height(&self) -> usize {
        TITLE + ROW * self.bars.len() + GAP
    }

    fn draw(&self, svg: &mut String, top: usize) {
        let longest = self.bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
        let title = format!(r#"<text x="0" y="{}" class="title">{}</text>"#, top + 22, self.title);
        push(svg, &title);
        for (n, bar) in self.bars.iter().enumerate() {
            let y = top + TITLE + ROW * n;
            let width = (bar.value / longest * BAR).max(1.0);
            let label = format!(
                r#"<text x="{}" y="{}" text-anchor="end">{}</text>"#,
                LABEL - 8,
                y + 17,
                bar.label
            );
            let rect = format!(
                r#"<rect x="{LABEL}" y="{y}" width="{width:.1}" height="22" rx="2" class="{}"/>"#,
                bar.owner.class()
            );
            let value = format!(
                r#"<text x="{:.1}" y="{}">{}</text>"#,
                LABEL as f64 + width + 6.0,
                y + 17,
                bar.text
            );
            [label, rect, value].iter().for_each(|line| push(svg, line));
        }
    }
}

fn push(svg: &mut String, line: &str) {
    writeln!(svg, "{line}").expect("a string takes it");
}

const WIDTH: usize = 760;
const LABEL: usize = 200;
const BAR: f64 = 470.0;
const TITLE: usize = 36;
const ROW: usize = 28;
const GAP: usize = 20;

const STYLE: &str = "\
<style>
  text { fill: #24292f; }
  .title { font-weight: bold; }
  .ours { fill: #6363f1; }
  .other { fill: #9aa4b2; }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .other { fill: #6e7681; } }
</style>";
