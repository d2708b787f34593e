//! A real browser: headless Chromium, driven as a person would drive it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use shared::config::Env;
use thirtyfour::{
    ChromiumLikeCapabilities, DesiredCapabilities, Key, LoggingPrefsLogLevel, WebDriver,
    WebElement, prelude::*,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// One browser with a profile of its own. It lives in Berlin.
pub struct Browser {
    pub driver: WebDriver,
    chromedriver: Child,
}

impl Browser {
    /// It speaks British English.
    pub async fn open() -> Self {
        Self::speaking("en-GB").await
    }

    /// - `locale`: what its user wants to read first, such as `de-DE`; then English.
    pub async fn speaking(locale: &str) -> Self {
        let (chromedriver, port) = start_chromedriver();
        let mut capabilities = DesiredCapabilities::chrome();
        let language = format!("--lang={locale}");
        for argument in [
            "--headless=new",
            "--no-sandbox", // tests may run as root, where the sandbox refuses to start
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            language.as_str(),
            "--window-size=1280,900",
        ] {
            capabilities.add_arg(argument).unwrap();
        }
        // What pages see as navigator.languages.
        let preferences = json!({ "intl.accept_languages": format!("{locale},en") });
        capabilities
            .add_experimental_option("prefs", preferences)
            .unwrap();
        capabilities
            .set_browser_log_level(LoggingPrefsLogLevel::Severe)
            .unwrap();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities)
            .await
            .unwrap();
        let browser = Self {
            driver,
            chromedriver,
        };
        browser
            .devtools("Emulation.setLocaleOverride", json!({ "locale": locale }))
            .await;
        let zone = json!({ "timezoneId": "Europe/Berlin" });
        browser
            .devtools("Emulation.setTimezoneOverride", zone)
            .await;
        browser
    }

    /// The size and touch of a phone, 390 CSS pixels wide.
    pub async fn like_a_phone(&self) {
        let metrics =
            json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    pub async fn in_the_dark(&self) {
        self.prefer("dark").await;
    }

    /// - `scheme`: light or dark.
    pub async fn prefer(&self, scheme: &str) {
        let scheme = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": [scheme] }),
        )
        .await;
    }

    pub async fn offline(&self, offline: bool) {
        let conditions = json!({
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        });
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.emulateNetworkConditions", conditions)
            .await;
    }

    pub async fn devtools(&self, method: &str, parameters: Value) {
        self.driver
            .cdp()
            .send_raw(method, parameters)
            .await
            .unwrap();
    }

    pub async fn goto(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// The first visible element of `css` whose text contains `text`, once there is one.
    pub async fn find(&self, css: &str, text: &str) -> WebElement {
        let start = Instant::now();
        loop {
            if let Some(element) = self.look_for(css, text).await {
                return element;
            }
            if start.elapsed() > PATIENCE {
                let page = self.driver.find(By::Tag("body")).await.unwrap();
                let page = page.text().await.unwrap_or_default();
                panic!("no {css} that says {text:?} on:\n{page}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The page may change under our hands: what cannot be read is not there.
    async fn look_for(&self, css: &str, text: &str) -> Option<WebElement> {
        for element in self.driver.find_all(By::Css(css)).await.ok()? {
            let visible = element.is_displayed().await.unwrap_or(false);
            if visible
                && element
                    .text()
                    .await
                    .is_ok_and(|it| plain(&it).contains(text))
            {
                return Some(element);
            }
        }
        None
    }

    /// Waits until the page's heading says `text`.
    pub async fn read_heading(&self, text: &str) {
        self.find("h1", text).await;
    }

    /// What the page says, as a person reads it.
    pub async fn text(&self) -> String {
        let page = self.driver.find(By::Tag("main")).await.unwrap();
        plain(&page.text().await.unwrap())
    }

    pub async fn click(&self, css: &str, text: &str) {
        let element = self.find(css, text).await;
        element.scroll_into_view().await.unwrap();
        element.click().await.unwrap();
    }

    pub async fn fill(&self, css: &str, text: &str) {
        let input = self.find(css, "").await;
        input.clear().await.unwrap();
        input.send_keys(text).await.unwrap();
    }

    /// Types where the focus is.
    pub async fn type_keys(&self, keys: impl AsRef<str>) {
        let actions = self.driver.action_chain().send_keys(keys.as_ref());
        actions.perform().await.unwrap();
    }

    pub async fn press(&self, key: Key) {
        self.type_keys(String::from(char::from(key))).await;
    }

    /// Runs `script` in the page; it returns JSON.
    pub async fn run(&self, script: &str) -> Value {
        let value = self.driver.execute(script, Vec::new()).await.unwrap();
        value.json().clone()
    }

    /// Runs `script` in the page; it calls its first argument with JSON.
    pub async fn run_async(&self, script: &str) -> Value {
        let value = self.driver.execute_async(script, Vec::new()).await;
        value.unwrap().json().clone()
    }

    /// No barrier on this page that axe-core calls serious or worse, and nothing that sticks
    /// out sideways.
    pub async fn assert_accessible(&self) {
        let env = Env::from_process();
        let modules = env.required("TEST_NODE_MODULES", "run the tests with deploy/test");
        let axe = format!("{}/axe-core/axe.min.js", modules.unwrap());
        let axe = std::fs::read_to_string(axe).unwrap();
        let script = axe
            + "; const done = arguments[0]; axe.run().then((found) => done(found.violations.map(\
                (it) => [it.impact, it.id, it.nodes.map((node) => node.html)])));";
        let found = self.run_async(&script).await;
        let serious: Vec<&Value> = found
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it[0] == "serious" || it[0] == "critical")
            .collect();
        let url = self.driver.current_url().await.unwrap();
        assert!(serious.is_empty(), "{url}: {serious:#?}");
        let width = self
            .run(
                "const page = document.documentElement; return page.scrollWidth - page.clientWidth",
            )
            .await;
        assert_eq!(width, 0, "{url} can be scrolled sideways");
    }

    /// Closes it. An error in a script, or something that the page's own policy refused, is
    /// a failure, whichever page it is on.
    ///
    /// - `expected`: parts of messages that this test provoked.
    pub async fn close(self, expected: &[&str]) {
        let log = self.driver.browser_log().await.unwrap();
        let surprises: Vec<_> = log
            .iter()
            .map(|entry| &entry.message)
            .filter(|message| !expected.iter().any(|it| message.contains(it)))
            .collect();
        assert!(surprises.is_empty(), "{surprises:#?}");
        self.driver.clone().quit().await.unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its browsers end with it.
        signal_group("TERM", self.chromedriver.id());
        self.chromedriver.wait().ok();
    }
}

/// Sends a signal to every process of a group, if any is left.
fn signal_group(name: &str, group: u32) {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}"))
        .arg("--")
        .arg(format!("-{group}"));
    kill.stderr(Stdio::null()).status().ok();
}

/// It picks a port for IPv6 and wants the same one for IPv4, which another may have: then it
/// says so and ends.
fn start_chromedriver() -> (Child, u16) {
    (0..10)
        .find_map(|_| try_to_start_chromedriver())
        .expect("chromedriver did not start")
}

fn try_to_start_chromedriver() -> Option<(Child, u16)> {
    use std::os::unix::process::CommandExt;
    let mut chromedriver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("chromedriver is missing; run the tests with deploy/test, which installs it");
    let output = BufReader::new(chromedriver.stdout.take().unwrap());
    let port = output.lines().map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    let Some(port) = port else {
        chromedriver.wait().ok();
        return None;
    };
    Some((chromedriver, port))
}

/// Without the characters that only guide line breaks.
fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ").replace('\u{2060}', "")
}
