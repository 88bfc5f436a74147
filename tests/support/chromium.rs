//! A real browser: Chromium, driven through its WebDriver.

use std::{
    env, fmt, fs,
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use thirtyfour::{
    By, CapabilitiesHelper, ChromiumLikeCapabilities, DesiredCapabilities, Key, PageLoadStrategy,
    WebDriver, WebElement, WindowHandle,
};
use tokio::time::{sleep, timeout};
use url::Url;

/// A browser of its own, with a new profile. Dropping it closes it.
///
/// Each of its methods panics where the browser does not do what it is told.
pub struct Chromium {
    driver: WebDriver,
    _process: Process,
}

/// A tab of the browser.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tab(WindowHandle);

/// What is special about a browser.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Habit {
    /// Nothing.
    None,
    /// It keeps no cookies.
    BlocksCookies,
    /// It goes on with another tab while one is loading, rather than wait for it.
    DoesNotWait,
}

impl Chromium {
    /// Starts one; takes about a second.
    pub async fn start() -> Self {
        Self::with(Habit::None).await
    }

    /// Starts one with a habit.
    pub async fn with(habit: Habit) -> Self {
        let process = Process::start();
        let mut wanted = DesiredCapabilities::chrome();
        for argument in ARGUMENTS {
            wanted.add_arg(argument).expect("an argument is text");
        }
        let profile = format!("--user-data-dir={}", process.profile.display());
        wanted.add_arg(&profile).expect("an argument is text");
        match habit {
            Habit::None => {}
            Habit::BlocksCookies => {
                let blocked = json!({ "profile.default_content_setting_values.cookies": 2 });
                wanted.add_experimental_option("prefs", blocked).expect("they are JSON");
            }
            Habit::DoesNotWait => {
                wanted.set_page_load_strategy(PageLoadStrategy::None).expect("there is this one");
            }
        }
        let driver = WebDriver::new(&process.url, wanted).await.expect("Chromium starts");
        Self { driver, _process: process }
    }

    /// Goes to an address, and waits until the page is there.
    pub async fn open(&self, url: &str) {
        self.driver.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Sets off for an address, and does not wait.
    pub async fn set_off(&self, url: &str) {
        let script = "setTimeout(url => { location.href = url }, 0, arguments[0])";
        self.driver.execute(script, vec![json!(url)]).await.expect("the page runs scripts");
    }

    /// Goes back in the tab's history.
    pub async fn back(&self) {
        self.driver.back().await.expect("there is a page before");
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.driver.refresh().await.expect("the page loads");
    }

    /// The address of the page.
    pub async fn url(&self) -> Url {
        self.driver.current_url().await.expect("a page has an address")
    }

    /// What the page shows.
    pub async fn text(&self) -> String {
        self.find("//body").await.text().await.expect("a body has text")
    }

    /// Waits until the page shows this.
    pub async fn see(&self, text: &str) {
        let seen = async {
            while !self.body().await.contains(text) {
                sleep(Duration::from_millis(25)).await;
            }
        };
        if timeout(PATIENCE, seen).await.is_err() {
            panic!("`{text}` is not on {}: {}", self.url().await, self.text().await);
        }
    }

    /// Waits until the page is at this address.
    pub async fn arrive(&self, url: &str) {
        let there = async {
            while !self.driver.current_url().await.is_ok_and(|here| here.as_str() == url) {
                sleep(Duration::from_millis(25)).await;
            }
        };
        if timeout(PATIENCE, there).await.is_err() {
            panic!("not {url} but {}: {}", self.url().await, self.text().await);
        }
    }

    /// Presses the first button, link or summary whose text contains `label`, and waits for the page that comes.
    pub async fn press(&self, label: &str) {
        let named =
            format!("(//button | //a | //summary)[contains(normalize-space(.), '{label}')]");
        self.find(&named).await.click().await.unwrap_or_else(|error| panic!("{label}: {error}"));
    }

    /// What a script of the page returns, once its promise is kept.
    pub async fn run(&self, script: &str) -> Value {
        let returned = self.driver.execute(script, Vec::new()).await;
        returned.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// Writes into the field of this name.
    pub async fn write(&self, name: &str, text: &str) {
        let field = self.find(&format!("//*[@name='{name}']")).await;
        field.send_keys(text).await.expect("it takes text");
    }

    /// What is in the field of this name.
    pub async fn value_of(&self, name: &str) -> String {
        let field = self.find(&format!("//*[@name='{name}']")).await;
        field.value().await.expect("it is there").unwrap_or_default()
    }

    /// Chooses what the field of this name offers under `label`.
    pub async fn choose(&self, name: &str, label: &str) {
        let option = format!("//select[@name='{name}']/option[normalize-space(.)='{label}']");
        self.find(&option).await.click().await.expect("it can be chosen");
    }

    /// Presses the tab key `times` times, then the enter key: a user without a mouse.
    pub async fn press_by_keyboard(&self, times: usize) {
        let tabs = std::iter::repeat_n(Key::Tab, times);
        for key in tabs.chain([Key::Enter]) {
            let focused = self.driver.active_element().await.expect("something has the focus");
            focused.send_keys(key).await.expect("it takes a key");
        }
    }

    /// How wide the first element of this tag is, in pixels.
    pub async fn width_of(&self, tag: &str) -> u32 {
        let rect = self.find(&format!("//{tag}")).await.rect().await;
        rect.expect("what is shown has a size").width.round() as u32
    }

    /// The names of the cookies of the page's site.
    pub async fn cookies(&self) -> Vec<String> {
        let cookies = self.driver.get_all_cookies().await.expect("a page of a site");
        cookies.into_iter().map(|cookie| cookie.name).collect()
    }

    /// The tab in front.
    pub async fn tab(&self) -> Tab {
        Tab(self.driver.window().await.expect("a tab is open"))
    }

    /// Opens another tab, and brings it to the front.
    pub async fn open_tab(&self) -> Tab {
        let tab = self.driver.new_tab().await.expect("another tab opens");
        self.bring(&Tab(tab.clone())).await;
        Tab(tab)
    }

    /// Brings a tab to the front.
    pub async fn bring(&self, tab: &Tab) {
        self.driver.switch_to_window(tab.0.clone()).await.expect("the tab is open");
    }

    /// Takes pictures of the whole page into `target/screenshots`: by day, by night, on a phone.
    pub async fn picture(&self, name: &str) {
        for (look, (width, height), scheme) in LOOKS {
            let scheme =
                json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            self.devtools("Emulation.setEmulatedMedia", scheme).await;
            let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
            self.devtools("Emulation.setDeviceMetricsOverride", size).await;
            // What fades from one look into the other has faded.
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

    /// What is wider than the room that it has, by tag and class; code may be scrolled.
    async fn cut_off(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('html, body *:not(pre):not(textarea):not(input)')]
            .filter(it => it.clientWidth > 0 && it.scrollWidth > it.clientWidth)
            .map(it => `${it.tagName} ${it.className}`)";
        let found = self.driver.execute(script, Vec::new()).await.expect("the page runs scripts");
        found.convert().expect("they are texts")
    }

    /// As [`text`](Self::text), where the page may be about to change.
    async fn body(&self) -> String {
        match self.driver.find(By::Tag("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    async fn find(&self, path: &str) -> WebElement {
        let found = async {
            loop {
                match self.driver.find(By::XPath(path)).await {
                    Ok(element) => break element,
                    Err(_) => sleep(Duration::from_millis(25)).await,
                }
            }
        };
        match timeout(PATIENCE, found).await {
            Ok(element) => element,
            Err(_) => panic!("{path} is not on {}: {}", self.url().await, self.body().await),
        }
    }

    async fn devtools(&self, method: &str, parameters: Value) -> Value {
        let answer = self.driver.cdp().send_raw(method, parameters).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }
}

impl fmt::Debug for Chromium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chromium").finish_non_exhaustive()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // To end it politely would be to wait for it, while the service under test stands still.
        let _ = self.driver.clone().leak();
    }
}

/// The WebDriver, its browser, and the folder of the browser's profile.
struct Process {
    driver: Child,
    url: String,
    profile: PathBuf,
}

impl Process {
    fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);

        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let profile = env::temp_dir().join(format!("chromium-{}-{number}", std::process::id()));
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed: `cargo xtask test` sees to that");
        let mut output = BufReader::new(driver.stdout.take().expect("the output is piped"));
        let port = port(&mut output).expect("chromedriver says on which port it listens");
        thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        Self { driver, url: format!("http://127.0.0.1:{port}"), profile }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The driver is the first of its group, and the browser's processes are in it.
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.driver.wait();
        // What they have begun to write may be written a little later.
        for _ in 0..50 {
            let _ = fs::remove_dir_all(&self.profile);
            if !self.profile.exists() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The port that the driver has chosen, as it says itself.
fn port(output: &mut impl BufRead) -> Option<u16> {
    output.lines().map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    })
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
    // Names of which browsers do not know that they are this machine: plain http is not secure there.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
];

/// A name, a size, and a colour scheme.
const LOOKS: [(&str, (u32, u32), &str); 4] = [
    ("light", (1200, 900), "light"),
    ("dark", (1200, 900), "dark"),
    ("phone", (390, 844), "light"),
    ("phone-dark", (390, 844), "dark"),
];

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(30);
