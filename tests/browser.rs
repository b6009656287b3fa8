//! The page in a real browser (headless Chromium, driven through its debugging pipe).
//!
//! Skipped with a printed line where no Chromium is installed, unless HEATMARK_REQUIRE_BROWSER=1.
//! With HEATMARK_SHOTS=FOLDER the pictures of the page are kept there.

mod demo;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use demo::Demo;
use heatmark::look::{Look, Range, Request};
use heatmark::sink::http::{HttpSink, Secret, Settings};
use serde_json::{Value, json};

/// A browser with one page.
struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: String,
    next: u64,
    /// Errors and refused contents that the page reported.
    complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `None` where there is none to be had.
    fn start() -> Option<Self> {
        let name = ["chromium", "chromium-browser", "google-chrome", "chrome"].into_iter().find(|name| {
            let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            found.is_ok_and(|s| s.success())
        });
        let Some(name) = name else {
            assert!(
                std::env::var("HEATMARK_REQUIRE_BROWSER").is_err(),
                "HEATMARK_REQUIRE_BROWSER is set and there is no Chromium"
            );
            println!("skipped: no Chromium");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // The pipe is expected on descriptors 3 and 4, which the shell can arrange.
        let script = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut child = Command::new("sh")
            .args(["-c", script, "sh", name, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .args([
                "--disable-sync",
                "--disable-default-apps",
                "--mute-audio",
                "--hide-scrollbars",
                "--disable-dev-shm-usage",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser =
            Self { child, to, from, session: String::new(), next: 0, complaints: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().unwrap().to_string();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(b"\0").unwrap();
        loop {
            let mut bytes = Vec::new();
            assert!(self.from.read_until(0, &mut bytes).unwrap() > 0, "the browser has ended");
            bytes.pop();
            let mut answer: Value = serde_json::from_slice(&bytes).unwrap();
            if answer["id"] == id {
                assert!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            match answer["method"].as_str() {
                Some("Runtime.exceptionThrown") => self.complaints.push(answer["params"].to_string()),
                Some("Log.entryAdded") if answer["params"]["entry"]["level"] == "error" => {
                    self.complaints.push(answer["params"]["entry"].to_string());
                }
                Some("Network.requestWillBeSent") => {
                    let url = answer["params"]["request"]["url"].as_str().unwrap_or_default();
                    let own = ["http://127.0.0.1:", "data:", "about:"].iter().any(|p| url.starts_with(p));
                    assert!(own, "the page fetched {url}");
                }
                _ => {}
            }
        }
    }

    fn size(&mut self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The value of an expression in the page.
    fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression holds.
    #[track_caller]
    fn wait(&mut self, expression: &str) {
        let until = Instant::now() + Duration::from_secs(40);
        // While the page loads there is nothing to look at yet.
        let guarded = format!("(() => {{ try {{ return {expression} }} catch {{ return false }} }})()");
        while self.eval(&guarded) != json!(true) {
            if Instant::now() > until {
                let body = self.eval("document.body.innerText");
                self.shoot("failure", false);
                panic!("waited 40 s for {expression}\n{}\n{:?}", body.as_str().unwrap_or_default(), self.complaints);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A picture of the page, kept where HEATMARK_SHOTS says; its pixels, 8-bit RGB.
    fn shoot(&mut self, name: &str, whole: bool) -> Vec<u8> {
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": whole }));
        let bytes = base64(shot["data"].as_str().unwrap());
        if let Ok(folder) = std::env::var("HEATMARK_SHOTS") {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(Path::new(&folder).join(format!("{name}.png")), &bytes).unwrap();
        }
        demo::rgb(&bytes).1
    }

    fn key(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let code = match key {
                "Tab" => 9,
                "ArrowDown" => 40,
                _ => 32,
            };
            let mut event = json!({ "type": kind, "key": key, "code": if key == " " { "Space" } else { key }, "windowsVirtualKeyCode": code });
            if key == " " && kind == "keyDown" {
                event["text"] = json!(" ");
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(digit).collect();
    let whole = |c: &[u8]| {
        let group = c.iter().enumerate().fold(0u32, |g, (i, d)| g | u32::from(*d) << (18 - 6 * i));
        group.to_be_bytes()[1..c.len()].to_vec()
    };
    digits.chunks(4).flat_map(whole).collect()
}

/// What the made-up camera does.
#[derive(Clone, Copy)]
struct Scene {
    people: usize,
    radiometric: bool,
    signal: bool,
    tracking: bool,
}

const USUAL: Scene = Scene { people: 2, radiometric: true, signal: true, tracking: false };

/// A page that is fed about nine frames a second, until it is dropped.
struct Camera {
    address: SocketAddr,
    scene: Arc<Mutex<Scene>>,
    knobs: Arc<demo::Knobs>,
    asked: Arc<demo::Asked>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Camera {
    fn start(settings: &Settings, scene: Scene) -> Self {
        let (mut hooks, knobs) = demo::hooks(scene.radiometric);
        let asked = Arc::new(demo::Asked::default());
        hooks.targets = scene.tracking.then(|| Arc::clone(&asked) as _);
        let mut sink = HttpSink::open(settings, &hooks).unwrap();
        let address = sink.local_addr();
        let (stop, scene) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(scene)));
        let (s, c) = (Arc::clone(&stop), Arc::clone(&scene));
        let thread = std::thread::spawn(move || {
            let mut demo = Demo::new(2);
            while !s.load(Ordering::SeqCst) {
                let now = *c.lock().unwrap();
                (demo.people, demo.radiometric, demo.signal) = (now.people, now.radiometric, now.signal);
                demo.tracking = now.tracking;
                demo.advance();
                demo.put(&mut sink).unwrap();
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Self { address, scene, knobs, asked, stop, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn local() -> Settings {
    Settings { listen: "127.0.0.1:0".into(), ..Settings::default() }
}

const LIVE: &str = "document.getElementById('pill').textContent === 'live' && \
    document.getElementById('picture').naturalWidth === 640 && \
    document.querySelectorAll('#tracks button').length === 2 && \
    document.getElementById('fps').textContent === '9.0'";

/// Pixels of the plot that have one of the lines' colours.
const DRAWN: &str = "(() => { const c = document.getElementById('plot'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; \
    let n = 0; for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200 && Math.max(d[i], d[i+1], d[i+2]) - Math.min(d[i], d[i+1], d[i+2]) > 60) n++; return n; })()";

#[test]
fn the_page_works_at_every_width() {
    let Some(mut browser) = Browser::start() else { return };
    let camera = Camera::start(&local(), USUAL);
    browser.size(1440, 900);
    browser.open(&camera.url());
    browser.wait(LIVE);
    browser.wait(&format!("{DRAWN} > 300"));
    assert_eq!(browser.eval("document.title"), "demo – Heatmark");
    assert_eq!(browser.eval("document.getElementById('age99').textContent"), "31");
    assert_eq!(browser.eval("document.querySelector('#drops .some').textContent"), "driver 1");
    let legend = browser.eval("document.querySelector('[data-region=forehead] .number').textContent");
    assert!(legend.as_str().is_some_and(|t| t.parse::<f32>().is_ok_and(|c| (30.0..38.0).contains(&c))), "{legend}");
    assert_eq!(browser.eval("document.getElementById('banner').classList.contains('hidden')"), true);
    if std::env::var("HEATMARK_SHOTS").is_ok() {
        // A picture for people shows lines of some length.
        std::thread::sleep(Duration::from_secs(30));
    }
    for (width, height, name) in
        [(1440, 900, "desktop"), (1280, 800, "laptop"), (390, 844, "phone"), (768, 1024, "tablet"), (320, 568, "small")]
    {
        browser.size(width, height);
        std::thread::sleep(Duration::from_millis(600));
        let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(wide <= u64::from(width), "{name}: scrolls sideways, {wide} pixels");
        let cut = browser.eval(
            "[...document.querySelectorAll('button, select, input, dd, h2, #legend .name, #legend .number')].filter(n => n.offsetParent && \
             !n.closest('#tracks') && n.scrollWidth > n.clientWidth + 1 && getComputedStyle(n).overflow !== 'visible').length",
        );
        assert_eq!(cut, 0, "{name}: cut texts");
        let shot = browser.shoot(name, width < 1000);
        let bright = shot.chunks_exact(3).filter(|p| p.iter().any(|c| *c > 200)).count();
        assert!(bright > 1_000, "{name}: {bright} bright pixels");
    }
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

#[test]
fn the_page_can_be_used_by_keyboard() {
    let Some(mut browser) = Browser::start() else { return };
    let camera = Camera::start(&local(), USUAL);
    browser.size(1440, 900);
    browser.open(&camera.url());
    browser.wait(LIVE);
    // Tab reaches everything, in order, and never gets stuck.
    let mut reached = Vec::new();
    for _ in 0..40 {
        browser.key("Tab");
        let at = browser.eval("document.activeElement.id || document.activeElement.dataset.track || document.activeElement.dataset.region || document.activeElement.dataset.layer || document.activeElement.dataset.path || document.activeElement.name || ''");
        reached.push(at.as_str().unwrap_or_default().to_string());
    }
    for wanted in ["full", "forehead", "3", "palette", "range", "boxes", "metrics"] {
        assert!(reached.iter().any(|r| r == wanted), "{wanted} in {reached:?}");
    }
    // The arrow keys choose a track.
    browser.eval("document.querySelector('#tracks [aria-checked=true]').focus()");
    browser.key("ArrowDown");
    browser.wait("document.querySelector('#tracks [aria-checked=true]').dataset.track === '7'");
    browser.wait("document.getElementById('whose').textContent.startsWith('Track 7')");
    // A hidden cheek says why.
    browser.wait("document.querySelector('[data-region=cheek_right] .why').textContent !== ''");
    // The space bar hides a line.
    browser.eval("document.querySelector('[data-region=mouth]').focus()");
    browser.key(" ");
    browser.wait("document.querySelector('[data-region=mouth]').getAttribute('aria-pressed') === 'false'");
    let unnamed = browser.eval(
        "[...document.querySelectorAll('input, select')].filter(n => !n.labels.length).length + \
         [...document.querySelectorAll('button, a')].filter(n => !n.innerText.trim()).length",
    );
    assert_eq!(unnamed, 0, "controls without a name");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

#[test]
fn the_picture_is_controlled_from_the_page() {
    let Some(mut browser) = Browser::start() else { return };
    let camera = Camera::start(&local(), USUAL);
    browser.open(&camera.url());
    browser.wait(LIVE);
    browser.wait("document.getElementById('palette').value === 'iron'");
    let change = |what: &str| {
        format!("(() => {{ {what}.dispatchEvent(new Event('change', {{ bubbles: true }})); return true; }})()")
    };
    let wait = |what: &str, done: &dyn Fn(&Look) -> bool| {
        let until = Instant::now() + Duration::from_secs(20);
        while !done(&camera.knobs.0.lock().unwrap()) {
            assert!(Instant::now() < until, "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    browser.eval(&change("const p = document.getElementById('palette'); p.value = 'rainbow'; p"));
    wait("palette", &|look| look.palette == "rainbow");
    browser.eval(&change("const a = document.getElementById('agc'); a.value = 'clahe'; a"));
    wait("contrast", &|look| look.agc == "clahe");
    browser.eval("document.querySelector('[data-layer=boxes]').click()");
    wait("layer", &|look| look.layers["boxes"]);
    browser.eval("document.querySelector('[name=range][value=fixed]').click()");
    wait("fixed range", &|look| look.range == Range::Fixed { min_c: 20.0, max_c: 40.0 });
    browser.wait("!document.getElementById('min').disabled");
    browser.eval(&change("const m = document.getElementById('min'); m.value = '55'; m"));
    browser.wait("document.getElementById('refused').textContent.includes('below')");
    browser.eval(&change("const m = document.getElementById('min'); m.value = '25.5'; m"));
    wait("range", &|look| look.range == Range::Fixed { min_c: 25.5, max_c: 40.0 });
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

#[test]
fn targets_are_chosen_on_the_picture() {
    let Some(mut browser) = Browser::start() else { return };
    let camera = Camera::start(&local(), Scene { tracking: true, ..USUAL });
    browser.size(1440, 900);
    browser.open(&camera.url());
    browser.wait(LIVE);
    browser.wait("document.getElementById('people-title').textContent === 'Targets'");
    browser.wait("document.querySelectorAll('#legend button').length === 3");
    browser.wait("document.querySelector('[data-region=max] .number').textContent.startsWith('3')");
    browser.wait(&format!("{DRAWN} > 300"));
    browser.shoot("targets", false);
    let place = "(() => { const b = document.getElementById('picture').getBoundingClientRect(), n = document.getElementById('picture'); \
        const fit = Math.min(b.width / n.naturalWidth, b.height / n.naturalHeight); \
        return [b.left + (b.width - fit * n.naturalWidth) / 2, b.top + (b.height - fit * n.naturalHeight) / 2, fit * 4]; })()";
    let place: Vec<f64> = serde_json::from_value(browser.eval(place)).unwrap();
    let mut pointer = |kind: &str, x: f64, y: f64| {
        let (x, y) = (place[0] + x * place[2], place[1] + y * place[2]);
        let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1 });
        browser.call("Input.dispatchMouseEvent", event);
    };
    pointer("mousePressed", 40.0, 30.0);
    pointer("mouseMoved", 60.0, 50.0);
    pointer("mouseMoved", 80.0, 90.0);
    pointer("mouseReleased", 80.0, 90.0);
    pointer("mousePressed", 100.0, 20.0);
    pointer("mouseReleased", 100.0, 20.0);
    // On a busy machine the click may take the focus back, so the key is pressed until it is heard.
    let until = Instant::now() + Duration::from_secs(20);
    while camera.asked.0.lock().unwrap().len() < 3 {
        assert!(Instant::now() < until, "{:?}", camera.asked.0.lock().unwrap());
        browser.eval("document.querySelector('#tracks button').focus()");
        let key = json!({ "type": "keyDown", "key": "Delete", "windowsVirtualKeyCode": 46 });
        browser.call("Input.dispatchKeyEvent", key);
        std::thread::sleep(Duration::from_millis(500));
    }
    let asked = camera.asked.0.lock().unwrap().clone();
    let [Request::Box(b), Request::At(p), Request::Stop(3), ..] = asked[..] else { panic!("{asked:?}") };
    let near = |found: &[f32], wanted: &[f32]| found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.6);
    assert!(near(&b, &[40.0, 30.0, 80.0, 90.0]) && near(&p, &[100.0, 20.0]), "{b:?} {p:?}");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

#[test]
fn the_page_says_what_is_wrong_and_recovers_by_itself() {
    let Some(mut browser) = Browser::start() else { return };
    let camera = Camera::start(&local(), USUAL);
    browser.size(1440, 900);
    browser.open(&camera.url());
    browser.wait(LIVE);
    camera.scene.lock().unwrap().signal = false;
    browser.wait("document.getElementById('pill').textContent === 'no signal'");
    browser.wait("document.getElementById('banner').textContent.startsWith('No signal')");
    browser.shoot("no-signal", false);
    camera.scene.lock().unwrap().signal = true;
    browser.wait(LIVE);
    // The server goes away and comes back on the same port.
    let again = Settings { listen: camera.address.to_string(), ..local() };
    drop(camera);
    browser.wait("document.getElementById('pill').textContent === 'disconnected'");
    browser.shoot("disconnected", false);
    let camera = Camera::start(&again, Scene { people: 1, ..USUAL });
    browser.wait("document.getElementById('pill').textContent === 'live' && document.getElementById('blank').classList.contains('hidden')");
    browser.wait("document.querySelectorAll('#tracks button').length === 1");
    let pixel = "(() => { const c = document.createElement('canvas'); c.width = c.height = 1; const g = c.getContext('2d'); \
        g.drawImage(document.getElementById('picture'), 0, 0, 1, 1); return [...g.getImageData(0, 0, 1, 1).data].join(); })()";
    let first = browser.eval(pixel);
    browser.wait(&format!("{pixel} !== {first}"));
    drop(camera);
}

#[test]
fn a_camera_that_measures_nothing_shows_no_degree() {
    let Some(mut browser) = Browser::start() else { return };
    let camera = Camera::start(&local(), Scene { radiometric: false, ..USUAL });
    browser.size(1440, 900);
    browser.open(&camera.url());
    browser.wait(LIVE);
    browser.wait("document.getElementById('plot-note').textContent === 'no temperatures: camera is not radiometric'");
    let text =
        browser.eval("document.getElementById('legend').innerText + document.getElementById('tracks').innerText");
    let text = text.as_str().unwrap();
    assert!(!text.contains("°C"), "{text}");
    let values = "[...document.querySelectorAll('#legend .why')].map(n => n.textContent).join('')";
    assert_eq!(browser.eval(values), "–".repeat(8));
    browser.wait("document.querySelector('[name=range][value=fixed]').disabled");
    browser.shoot("not-radiometric", false);
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

#[test]
fn a_token_reaches_everything_the_page_asks_for() {
    let Some(mut browser) = Browser::start() else { return };
    let token = "correct-horse-battery-staple";
    let camera = Camera::start(&Settings { token: Some(Secret::new(token)), ..local() }, USUAL);
    browser.open(&format!("{}?token={token}", camera.url()));
    browser.wait(LIVE);
    let link = browser.eval("document.querySelector('a[data-path=metrics]').href");
    assert!(link.as_str().unwrap().ends_with(&format!("/metrics?token={token}")), "{link}");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}
