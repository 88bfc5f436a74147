//! Chromium with different settings, and screenshots of pages.

use std::{
    env, fmt, fs,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use thirtyfour::{
    CapabilitiesHelper, ChromiumLikeCapabilities, DesiredCapabilities, PageLoadStrategy,
};
use tokio::time::sleep;

use crate::real_browser::{DriverProcess, RealBrowser, new_folder};

/// A Chromium of its own, with a new profile. Dropping it closes it.
pub struct Chromium(RealBrowser);

/// A setting of a browser.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Habit {
    /// Nothing.
    None,
    /// It keeps no cookies.
    BlocksCookies,
    /// It keeps no cookies of frames of other sites, unless they are partitioned.
    BlocksCookiesOfFrames,
    /// It goes on with another tab while one is loading, rather than wait for it.
    DoesNotWait,
}

impl Chromium {
    /// Starts one; takes about a second.
    pub async fn start() -> Self {
        Self::with(Habit::None).await
    }

    /// Starts one with a habit.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn with(habit: Habit) -> Self {
        let profile = new_folder("chromium");
        let mut wanted = DesiredCapabilities::chrome();
        wanted.accept_insecure_certs(true).expect("it is JSON");
        for argument in ARGUMENTS {
            wanted.add_arg(argument).expect("an argument is text");
        }
        let folder = format!("--user-data-dir={}", profile.display());
        wanted.add_arg(&folder).expect("an argument is text");
        match habit {
            Habit::None => {}
            Habit::BlocksCookies => {
                let blocked = json!({ "profile.default_content_setting_values.cookies": 2 });
                wanted.add_experimental_option("prefs", blocked).expect("they are JSON");
            }
            Habit::BlocksCookiesOfFrames => {
                let blocked = json!({ "profile.cookie_controls_mode": 1 });
                wanted.add_experimental_option("prefs", blocked).expect("they are JSON");
            }
            Habit::DoesNotWait => {
                wanted.set_page_load_strategy(PageLoadStrategy::None).expect("there is this one");
            }
        }
        let (process, port) = start_driver(profile);
        let url = format!("http://127.0.0.1:{port}");
        Self(RealBrowser::of(&url, wanted, vec![process]).await)
    }

    /// Takes pictures of the whole page into `target/screenshots`: by day, by night, on a phone.
    ///
    /// # Panics
    ///
    /// If something on the page is wider than the room that it has.
    pub async fn picture(&self, name: &str) {
        for (look, (width, height), scheme) in LOOKS {
            let scheme =
                json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            self.devtools("Emulation.setEmulatedMedia", scheme).await;
            let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
            self.devtools("Emulation.setDeviceMetricsOverride", size).await;
            // Waits until the transition between the colour schemes has ended.
            sleep(Duration::from_millis(250)).await;
            let cut = self.cut_off().await;
            assert!(cut.is_empty(), "{name}, {look}: {cut:?} do not fit");
            let whole = json!({ "format": "png", "captureBeyondViewport": true });
            let picture = self.devtools("Page.captureScreenshot", whole).await;
            let picture = picture["data"].as_str().expect("a picture is base64");
            let picture = BASE64_STANDARD.decode(picture).expect("a picture is base64");
            let folder = target().join("screenshots");
            fs::create_dir_all(&folder).expect("the target folder is ours");
            fs::write(folder.join(format!("{name}-{look}.png")), picture).expect("and has room");
        }
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    }

    /// The elements that are wider than their container, by tag and class. Code may be scrolled.
    async fn cut_off(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('html, body *:not(pre):not(textarea):not(input)')]
            .filter(it => it.clientWidth > 0 && it.scrollWidth > it.clientWidth)
            .map(it => `${it.tagName} ${it.className}`)";
        serde_json::from_value(self.run(script).await).expect("they are texts")
    }

    async fn devtools(&self, method: &str, parameters: Value) -> Value {
        let answer = self.driver().cdp().send_raw(method, parameters).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }
}

impl Deref for Chromium {
    type Target = RealBrowser;

    fn deref(&self) -> &RealBrowser {
        &self.0
    }
}

impl From<Chromium> for RealBrowser {
    fn from(chromium: Chromium) -> Self {
        chromium.0
    }
}

impl fmt::Debug for Chromium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chromium").finish_non_exhaustive()
    }
}

/// Starts a driver, which says itself on which port it listens.
fn start_driver(profile: PathBuf) -> (DriverProcess, u16) {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = DriverProcess::start(&mut command, Some(profile));
    let port = process.hear(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    (process, port.expect("chromedriver says on which port it listens"))
}

/// The folder that cargo builds into.
fn target() -> PathBuf {
    let test = env::current_exe().expect("a test binary has a path");
    test.ancestors().nth(3).map(Path::to_owned).expect("it is in target/<profile>/deps")
}

const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Names that browsers do not treat as this machine, so that plain http is not secure there.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
];

/// A name, a size, and a colour scheme.
const LOOKS: [(&str, (u32, u32), &str); 4] = [
    ("light", (1200, 900), "light"),
    ("dark", (1200, 900), "dark"),
    ("phone", (390, 844), "light"),
    ("phone-dark", (390, 844), "dark"),
];
