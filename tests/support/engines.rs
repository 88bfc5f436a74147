//! The browser engines: Chromium's, Firefox's, and WebKit, which is Safari's.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::json;
use thirtyfour::{Capabilities, CapabilitiesHelper, DesiredCapabilities};
use tokio::{net::TcpStream, time::sleep};

use crate::{
    chromium::Chromium,
    peers,
    real_browser::{DriverProcess, RealBrowser, new_folder},
    served::free_port,
};

/// A browser's engine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BrowserEngine {
    /// Chrome's, Edge's, Opera's.
    Chromium,
    /// Firefox's.
    Gecko,
    /// Safari's, and every browser's on iOS.
    WebKit,
}

impl BrowserEngine {
    /// Starts a browser with a new profile.
    ///
    /// # Panics
    ///
    /// If it is not installed (`cargo xtask deep` installs it), or does not start.
    pub async fn start(self) -> RealBrowser {
        match self {
            Self::Chromium => Chromium::start().await.into(),
            Self::Gecko => firefox().await,
            Self::WebKit => webkit().await,
        }
    }
}

async fn firefox() -> RealBrowser {
    let mut command = Command::new(peers::installed().join("geckodriver/bin/geckodriver"));
    let profiles = new_folder("firefox");
    fs::create_dir(&profiles).expect("there is room for temporary files");
    command.args(["--port", "0", "--profile-root"]).arg(&profiles);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = DriverProcess::start(&mut command, Some(profiles));
    let port: Option<u16> =
        process.hear(|line| line.rsplit_once("Listening on 127.0.0.1:")?.1.parse().ok());
    let port = port.expect("geckodriver says on which port it listens");
    let mut wanted = DesiredCapabilities::firefox();
    wanted.accept_insecure_certs(true).expect("it is JSON");
    wanted.set_headless().expect("it has no window");
    wanted.set_firefox_binary("firefox-esr").expect("it is text");
    RealBrowser::of(&format!("http://127.0.0.1:{port}"), wanted, vec![process]).await
}

/// MiniBrowser of WebKitGTK. It has no headless mode, so it gets a virtual display.
async fn webkit() -> RealBrowser {
    let mut command = Command::new("Xvfb");
    command.args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut display = DriverProcess::start(&mut command, None);
    let number: Option<u32> = display.hear(|line| line.trim().parse().ok());
    let number = number.expect("Xvfb says which display it is");

    let mut wanted = Capabilities::new();
    wanted.accept_insecure_certs(true).expect("it is JSON");
    wanted.set("browserName", "MiniBrowser").expect("it is JSON");
    let browser = json!({ "binary": mini_browser(), "args": ["--automation"] });
    wanted.set("webkitgtk:browserOptions", browser).expect("it is JSON");
    // Another process may take the free port first, so there are several tries.
    for _ in 0..5 {
        let port = free_port();
        let mut command = Command::new("WebKitWebDriver");
        command.arg(format!("--port={port}")).env("DISPLAY", format!(":{number}"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = DriverProcess::start(&mut command, None);
        if is_up(&mut process, port).await {
            let url = format!("http://127.0.0.1:{port}");
            return RealBrowser::of(&url, wanted, vec![process, display]).await;
        }
    }
    panic!("WebKitWebDriver does not start");
}

/// Where Debian puts it, by the machine's architecture.
fn mini_browser() -> String {
    let libraries = fs::read_dir("/usr/lib").expect("a Linux has it");
    let mut found = libraries.filter_map(|entry| {
        let path = entry.ok()?.path().join("webkit2gtk-4.1/MiniBrowser");
        path.exists().then(|| path.display().to_string())
    });
    found.next().expect("the Debian package webkit2gtk-driver is installed")
}

async fn is_up(process: &mut DriverProcess, port: u16) -> bool {
    for _ in 0..500 {
        if !process.runs() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return true;
        }
        sleep(Duration::from_millis(20)).await;
    }
    false
}
