//! A real browser, driven by WebDriver.

use std::{
    env, fmt, fs,
    io::{self, BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use thirtyfour::{
    By, Capabilities, Key, WebDriver, WebElement, WindowHandle,
    error::{WebDriverError, WebDriverErrorInner, WebDriverResult},
};
use tokio::time::sleep;
use url::Url;

use crate::harness::Running;

/// A browser of its own, with a new profile. Dropping it closes it.
///
/// Each method panics if the browser does not carry out the command. Pages change while a test reads them, so the methods
/// search again for an element that is not there yet, or not any more, until a time limit.
pub struct RealBrowser {
    driver: WebDriver,
    _processes: Vec<DriverProcess>,
}

/// A tab of the browser.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tab(WindowHandle);

impl RealBrowser {
    /// Begins a session with the driver at `url`. The processes end with the browser, in this order.
    pub(crate) async fn of(
        url: &str,
        wanted: impl Into<Capabilities>,
        processes: Vec<DriverProcess>,
    ) -> Self {
        let driver = WebDriver::new(url, wanted).await;
        let driver = driver.unwrap_or_else(|error| panic!("the browser does not start: {error}"));
        Self { driver, _processes: processes }
    }

    pub(crate) fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// Opens an address, and waits until the page has loaded.
    pub async fn open(&self, url: &str) {
        self.driver.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Opens an address, and does not wait.
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

    /// The visible text of the page.
    pub async fn text(&self) -> String {
        self.with("//body", async |body| body.text().await).await
    }

    /// Waits until the page shows this.
    pub async fn see(&self, text: &str) {
        let began = Instant::now();
        while !self.body().await.contains(text) {
            if began.elapsed() > PATIENCE {
                panic!("`{text}` is not on {}: {}", self.url().await, self.body().await);
            }
            sleep(PAUSE).await;
        }
    }

    /// Waits until the page is at this address.
    pub async fn arrive(&self, url: &str) {
        let began = Instant::now();
        while !self.driver.current_url().await.is_ok_and(|here| here.as_str() == url) {
            if began.elapsed() > PATIENCE {
                panic!("not {url} but {}: {}", self.url().await, self.body().await);
            }
            sleep(PAUSE).await;
        }
    }

    /// Signs Alice in at Acme, on the emulator's pages, from a page that needs a session.
    pub async fn sign_in_at_acme(&self, running: &Running, deep_link: &str) {
        self.open(&running.url(deep_link)).await;
        self.see("Sign in").await;
        self.press("alice@acme.test").await;
        self.see("Choose an organization").await;
        self.press("Acme Corp").await;
        self.arrive(&running.url(deep_link)).await;
    }

    /// Clicks the first button, link or summary whose text contains `label`, and waits for the next page.
    pub async fn press(&self, label: &str) {
        let named =
            format!("(//button | //a | //summary)[contains(normalize-space(.), '{label}')]");
        self.with(&named, async |it| it.click().await).await;
    }

    /// The result of a script in the page, after its promise has resolved.
    pub async fn run(&self, script: &str) -> Value {
        let returned = self.driver.execute(script, Vec::new()).await;
        returned.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// Writes into the field of this name.
    pub async fn write(&self, name: &str, text: &str) {
        self.with(&format!("//*[@name='{name}']"), async |field| field.send_keys(text).await).await;
    }

    /// The value of the field with this name.
    pub async fn value_of(&self, name: &str) -> String {
        let field = format!("//*[@name='{name}']");
        self.with(&field, async |field| field.value().await).await.unwrap_or_default()
    }

    /// Selects the option `label` of the field with this name.
    pub async fn choose(&self, name: &str, label: &str) {
        let option = format!("//select[@name='{name}']/option[normalize-space(.)='{label}']");
        self.with(&option, async |it| it.click().await).await;
    }

    /// Presses the tab key `times` times, then the enter key: a user without a mouse.
    pub async fn press_by_keyboard(&self, times: usize) {
        let tabs = std::iter::repeat_n(Key::Tab, times);
        for key in tabs.chain([Key::Enter]) {
            let focused = async || self.driver.active_element().await;
            self.again("what has the focus", focused, async |it| it.send_keys(key.clone()).await)
                .await;
        }
    }

    /// How wide the first element of this tag is, in pixels.
    pub async fn width_of(&self, tag: &str) -> u32 {
        let rect = self.with(&format!("//{tag}"), async |it| it.rect().await).await;
        rect.width.round() as u32
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

    /// Like [`text`](Self::text), but empty while the page changes.
    async fn body(&self) -> String {
        match self.driver.find(By::Tag("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Runs an action on the first element at `path`, as soon as there is one on which it succeeds.
    async fn with<T>(&self, path: &str, act: impl AsyncFn(WebElement) -> WebDriverResult<T>) -> T {
        self.again(path, async || self.driver.find(By::XPath(path)).await, act).await
    }

    /// Finds an element and runs an action on it; repeats both until both have succeeded.
    async fn again<T>(
        &self,
        name: &str,
        find: impl AsyncFn() -> WebDriverResult<WebElement>,
        act: impl AsyncFn(WebElement) -> WebDriverResult<T>,
    ) -> T {
        let began = Instant::now();
        loop {
            let done = match find().await {
                Ok(element) => act(element).await,
                Err(error) => Err(error),
            };
            match done {
                Ok(value) => return value,
                Err(error) if passes(&error) && began.elapsed() <= PATIENCE => sleep(PAUSE).await,
                Err(error) => {
                    panic!("{name} on {}: {error}\n{}", self.url().await, self.body().await)
                }
            }
        }
    }
}

impl fmt::Debug for RealBrowser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealBrowser").finish_non_exhaustive()
    }
}

impl Drop for RealBrowser {
    fn drop(&mut self) {
        // Closing the session would have to wait for the browser, which would block the service under test.
        let _ = self.driver.clone().leak();
    }
}

/// A driver and its browser, with the folder for their files.
pub(crate) struct DriverProcess {
    first: Child,
    folder: Option<PathBuf>,
}

impl DriverProcess {
    /// Starts a program whose processes end with it.
    ///
    /// # Panics
    ///
    /// If it is not installed.
    pub(crate) fn start(command: &mut Command, folder: Option<PathBuf>) -> Self {
        let started = command.process_group(0).spawn();
        let name = command.get_program().to_owned();
        let first = started.unwrap_or_else(|error| {
            panic!("{}: {error}: `cargo xtask` installs it", name.display())
        });
        Self { first, folder }
    }

    /// Whether it runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.first.try_wait().is_ok_and(|exit| exit.is_none())
    }

    /// Reads lines of the program's output, which is piped, until `read` returns a value. Drops the rest of the output.
    pub(crate) fn hear<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut output = BufReader::new(self.first.stdout.take()?);
        let said = output.by_ref().lines().map_while(Result::ok).find_map(|line| read(&line));
        thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        said
    }
}

impl Drop for DriverProcess {
    fn drop(&mut self) {
        // The process leads a group that contains the browser's processes.
        let group = format!("-{}", self.first.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.first.wait();
        let Some(folder) = &self.folder else { return };
        // Files may still appear for a moment.
        for _ in 0..50 {
            let _ = fs::remove_dir_all(folder);
            if !folder.exists() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A unique name for the folder of a browser's files.
pub(crate) fn new_folder(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);

    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    env::temp_dir().join(format!("{name}-{}-{number}", std::process::id()))
}

/// Whether an error says that the page is not there yet, or is not there any more.
fn passes(error: &WebDriverError) -> bool {
    match error.as_inner() {
        WebDriverErrorInner::NoSuchElement(_)
        | WebDriverErrorInner::StaleElementReference(_)
        | WebDriverErrorInner::ElementNotInteractable(_)
        | WebDriverErrorInner::ElementClickIntercepted(_) => true,
        // Chromium's error for an element that disappears during an action.
        WebDriverErrorInner::UnknownError(info) => {
            info.value.message.contains("does not belong to the document")
        }
        _ => false,
    }
}

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two searches in a page.
const PAUSE: Duration = Duration::from_millis(25);
