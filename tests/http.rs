//! The page's server with real clients: good, slow, silent and hostile ones.

mod demo;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use demo::Demo;
use heatmark::look::{Range, Request};
use heatmark::sink::http::{HttpSink, Secret, Settings};
use heatmark::sink::{RESULT_SCHEMA, Sink, TRACK_SCHEMA, Wants};
use serde_json::{Value, json};

fn settings() -> Settings {
    Settings { listen: "127.0.0.1:0".into(), patience_ms: 1_000, ..Settings::default() }
}

/// A sink that is fed by a made-up camera until it is dropped.
struct Running {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    knobs: Arc<demo::Knobs>,
    signal: Arc<AtomicBool>,
    times: Arc<Mutex<Vec<Duration>>>,
    thread: Option<JoinHandle<HttpSink>>,
}

impl Running {
    fn start(settings: &Settings, people: usize, interval: Duration) -> Self {
        let (hooks, knobs) = demo::hooks(true);
        let mut sink = HttpSink::open(settings, &hooks).unwrap();
        let address = sink.local_addr();
        let (stop, signal) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
        let times = Arc::new(Mutex::new(Vec::new()));
        let (s, g, t) = (Arc::clone(&stop), Arc::clone(&signal), Arc::clone(&times));
        let thread = std::thread::spawn(move || {
            let mut demo = Demo::new(people);
            while !s.load(Ordering::SeqCst) {
                demo.signal = g.load(Ordering::SeqCst);
                demo.advance();
                let (start, queued) = (Instant::now(), run_delay());
                demo.put(&mut sink).unwrap();
                let waited_for_a_core = run_delay().saturating_sub(queued);
                t.lock().unwrap().push(start.elapsed().saturating_sub(waited_for_a_core));
                std::thread::sleep(interval);
            }
            sink
        });
        let run = Self { address, stop, knobs, signal, times, thread: Some(thread) };
        settle("the first frame", || !run.times.lock().unwrap().is_empty());
        run
    }

    fn usual() -> Self {
        Self::start(&settings(), 2, Duration::from_millis(20))
    }

    fn get(&self, path: &str) -> Answer {
        get(self.address, path)
    }

    fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    fn stop(&mut self) -> Option<HttpSink> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().map(|t| t.join().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How long this thread was ready to run but had no core, which says nothing about the code.
fn run_delay() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0))
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|h| h.0 == name).map_or("", |h| &h.1)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

/// Sends a request as it stands and reads the answer to its end.
fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // A server that refuses early may close while we still send.
    let _ = stream.read_to_end(&mut bytes);
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| panic!("no head: {bytes:?}"));
    let (status, headers) = head(std::str::from_utf8(&bytes[..end]).unwrap());
    Answer { status, headers, body: bytes[end + 4..].to_vec() }
}

fn head(text: &str) -> (u16, Vec<(String, String)>) {
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pair = |l: &str| l.split_once(": ").map(|(k, v)| (k.to_ascii_lowercase(), v.to_string())).unwrap();
    (status, lines.map(pair).collect())
}

/// The body of an endless chunked answer, as it comes.
struct Live {
    from: BufReader<TcpStream>,
    status: u16,
    left: usize,
}

impl Live {
    fn open(address: SocketAddr, path: &str) -> Self {
        let mut stream = connect(address);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut from = BufReader::new(stream);
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            assert!(from.read_line(&mut text).unwrap() > 0, "closed: {text}");
        }
        let (status, headers) = head(text.trim_end());
        let chunked = headers.iter().any(|h| h.0 == "transfer-encoding" && h.1 == "chunked");
        assert!(chunked || status != 200, "{text}");
        Self { from, status, left: 0 }
    }
}

impl Read for Live {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let mut size = String::new();
            while size.trim().is_empty() {
                size.clear();
                if self.from.read_line(&mut size)? == 0 {
                    return Ok(0);
                }
            }
            self.left = usize::from_str_radix(size.trim(), 16).map_err(std::io::Error::other)?;
        }
        let n = into.len().min(self.left);
        let n = self.from.read(&mut into[..n])?;
        self.left -= n;
        Ok(n)
    }
}

/// Reads one part of a motion JPEG stream.
fn part(stream: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(n) = line.strip_prefix("Content-Length: ") {
            length = n.trim().parse().ok();
        }
        if line == "\r\n"
            && let Some(n) = length
        {
            let mut bytes = vec![0; n];
            stream.read_exact(&mut bytes)?;
            return Ok(bytes);
        }
    }
}

fn settle(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(15);
    while !done() {
        assert!(Instant::now() < until, "waited 15 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn every_path_answers_with_its_type() {
    let run = Running::usual();
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/state", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/schema", "application/schema+json"),
        ("/snapshot.png", "image/png"),
        ("/frame.tiff", "image/tiff"),
    ] {
        let answer = run.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, kind), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let page = run.get("/");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!(run.get("/schema").text(), RESULT_SCHEMA);
    let state = run.get("/state").json();
    assert_eq!(state["schema"], "heatmark.state/1");
    assert_eq!(state["age"]["p99_us"], 31_000);
    assert_eq!(state["dropped"]["superseded"], 11);
    assert_eq!(state["faces"], 2);
    assert_eq!(state["controls"]["look"]["palette"], "iron");
    assert_eq!(state["format"]["signal"]["kind"], "radiometric");
}

#[test]
fn pictures_are_encoded_only_for_somebody_and_decode_to_what_was_drawn() {
    let (hooks, _) = demo::hooks(true);
    let mut sink = HttpSink::open(&settings(), &hooks).unwrap();
    let address = sink.local_addr();
    assert_eq!(sink.wants(), Wants::default(), "nobody looks");
    let demo = Demo::new(2);
    let asked: Vec<_> = ["/snapshot.png", "/frame.tiff"]
        .map(|path| std::thread::spawn(move || get(address, path)))
        .into_iter()
        .collect();
    settle("both wishes", || sink.wants() == Wants { picture: true, raw: true, json: false });
    demo.put(&mut sink).unwrap();
    let answers: Vec<Answer> = asked.into_iter().map(|t| t.join().unwrap()).collect();
    let (size, pixels) = demo::rgb(&answers[0].body);
    assert_eq!(size, demo::PICTURE);
    assert!(pixels == demo.picture.rgb, "the same pixels");
    let mut decoder = tiff::decoder::Decoder::new(std::io::Cursor::new(&answers[1].body)).unwrap();
    assert_eq!(decoder.dimensions().unwrap(), demo::SIZE);
    let description = decoder.get_tag_ascii_string(tiff::tags::Tag::ImageDescription).unwrap();
    let description: Value = serde_json::from_str(&description).unwrap();
    assert_eq!(description["meta"]["seq"], demo.result.seq);
    assert_eq!(description["format"]["signal"]["kind"], "radiometric");
    let tiff::decoder::DecodingResult::U16(pixels) = decoder.read_image().unwrap() else { panic!("not 16 bits") };
    assert!(pixels == demo.frame.pixels, "the same counts");
    settle("rest", || sink.wants() == Wants::default());
}

#[test]
fn the_stream_is_motion_jpeg_and_moves() {
    let run = Running::usual();
    let mut stream = BufReader::new(Live::open(run.address, "/stream.mjpg"));
    let pictures: Vec<Vec<u8>> = (0..5).map(|_| part(&mut stream).unwrap()).collect();
    for bytes in &pictures {
        let mut decoder = zune_jpeg::JpegDecoder::new(std::io::Cursor::new(bytes));
        decoder.decode().unwrap();
        let (width, height) = decoder.dimensions().unwrap();
        assert_eq!((width as u32, height as u32), demo::PICTURE);
    }
    assert_ne!(pictures[0], pictures[4]);
}

#[test]
fn events_are_results_in_order() {
    let run = Running::usual();
    let schema: Value = serde_json::from_str(RESULT_SCHEMA).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let events = BufReader::new(Live::open(run.address, "/events"));
    let mut seqs = Vec::new();
    for line in events.lines().map(Result::unwrap) {
        if let Some(data) = line.strip_prefix("data: ") {
            let value: Value = serde_json::from_str(data).unwrap();
            assert!(schema.is_valid(&value), "{data}");
            seqs.push(value["seq"].as_u64().unwrap());
        }
        if seqs.len() == 20 {
            break;
        }
    }
    assert!(seqs.windows(2).all(|w| w[1] == w[0] + 1), "{seqs:?}");
}

#[test]
fn a_slow_reader_of_events_is_told_what_it_lost() {
    let patient = Settings { patience_ms: 60_000, ..settings() };
    let (hooks, _) = demo::hooks(true);
    let mut sink = HttpSink::open(&patient, &hooks).unwrap();
    let mut live = Live::open(sink.local_addr(), "/events");
    settle("a reader", || sink.wants().json);
    let mut demo = Demo::new(8);
    // 40 MB, more than the kernel's buffers on both sides hold.
    for seq in 1..=1_600 {
        demo.result.seq = seq;
        demo.json.clear();
        demo.result.write_json(&mut demo.json);
        demo.put(&mut sink).unwrap();
        // The server gets its turn; the last lines come when it is surely stuck.
        std::thread::sleep(Duration::from_micros(if seq < 1_500 { 200 } else { 2_000 }));
    }
    let (mut lost, mut last, mut gaps) = (0, 0, 0);
    let mut lagging = false;
    for line in BufReader::new(&mut live).lines().map(Result::unwrap) {
        if line == "event: lag" {
            lagging = true;
        } else if let Some(data) = line.strip_prefix("data: ") {
            let value: Value = serde_json::from_str(data).unwrap();
            if lagging {
                lost += value["lost"].as_u64().unwrap();
                lagging = false;
                continue;
            }
            let seq = value["seq"].as_u64().unwrap();
            gaps += if last == 0 { 0 } else { seq - last - 1 };
            last = seq;
            if seq == 1_600 {
                break;
            }
        }
    }
    assert!(lost > 0);
    assert_eq!(lost, gaps, "every lost event is told");
}

fn resident_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0 / (1 << 20) as f64
}

#[test]
fn fifty_clients_half_of_them_silent_cost_the_pipeline_nothing() {
    let run = Running::start(&settings(), 2, Duration::from_millis(30));
    let before = resident_mib();
    let silent: Vec<TcpStream> = (0..25)
        .map(|i| {
            let mut stream = run.connect();
            let path = if i % 2 == 0 { "/stream.mjpg" } else { "/events" };
            write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let (done, address) = (Arc::new(AtomicBool::new(false)), run.address);
    let got: Vec<_> = (0..25)
        .map(|_| {
            let done = Arc::clone(&done);
            std::thread::spawn(move || {
                let mut stream = BufReader::new(Live::open(address, "/stream.mjpg"));
                let mut pictures = 0;
                while !done.load(Ordering::SeqCst) {
                    part(&mut stream).unwrap();
                    pictures += 1;
                }
                pictures
            })
        })
        .collect();
    settle("25 viewers", || run.get("/state").json()["clients"]["stream"].as_u64() >= Some(25));
    run.times.lock().unwrap().clear();
    std::thread::sleep(Duration::from_secs(4));
    let grown = resident_mib() - before;
    done.store(true, Ordering::SeqCst);
    let pictures: Vec<u32> = got.into_iter().map(|t| t.join().unwrap()).collect();
    let mut times = run.times.lock().unwrap().clone();
    times.sort_unstable();
    let share = |q: f64| times[((times.len() - 1) as f64 * q) as usize];
    println!(
        "put: {} calls, median {:?}, 99 % {:?}, worst {:?}; resident +{grown:.1} MiB; pictures a client {:?} to {:?}",
        times.len(),
        share(0.5),
        share(0.99),
        share(1.0),
        pictures.iter().min(),
        pictures.iter().max()
    );
    // A wait for a silent client would take its whole patience; a busy machine takes some of these times too.
    assert!(share(0.99) < Duration::from_millis(25), "{:?}", share(0.99));
    assert!(share(1.0) < Duration::from_millis(100), "{:?}", share(1.0));
    assert!(grown < 96.0, "{grown} MiB");
    assert!(pictures.iter().all(|n| *n > 10), "{pictures:?}");
    // A silent viewer fills its buffers and is dropped; its seat is free again.
    let viewers = || run.get("/state").json()["clients"]["stream"].as_u64().unwrap();
    settle("silent viewers to be dropped", || viewers() == 0);
    drop(silent);
}

#[test]
fn seats_are_limited_and_come_back() {
    let few = Settings { max_clients: 3, ..settings() };
    let run = Running::start(&few, 1, Duration::from_millis(20));
    let seated: Vec<Live> = (0..3).map(|_| Live::open(run.address, "/stream.mjpg")).collect();
    assert!(seated.iter().all(|s| s.status == 200));
    let refused = run.get("/stream.mjpg");
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    assert_eq!(Live::open(run.address, "/events").status, 200, "events have seats of their own");
    assert_eq!(run.get("/healthz").status, 200, "short requests are served");
    drop(seated);
    settle("a free seat", || Live::open(run.address, "/stream.mjpg").status == 200);
}

#[test]
fn too_many_connections_are_turned_away_and_leave_no_trace() {
    let few = Settings { max_clients: 1, ..settings() };
    let run = Running::start(&few, 0, Duration::from_millis(50));
    // 2 * max_clients + 64 connections that say nothing.
    let idle: Vec<TcpStream> = (0..66).map(|_| run.connect()).collect();
    settle("a refusal", || {
        let mut stream = run.connect();
        let _ = write!(stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes.starts_with(b"HTTP/1.1 503")
    });
    drop(idle);
    settle("room again", || {
        let mut stream = run.connect();
        let _ = write!(stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes.starts_with(b"HTTP/1.1 200")
    });
}

#[test]
fn hostile_requests_get_a_4xx() {
    let run = Running::usual();
    let host = "Host: localhost\r\nConnection: close\r\n";
    for (what, request, wanted) in [
        ("nonsense", "NONSENSE\r\n\r\n".to_string(), 400),
        ("binary", "\u{1}\u{2}\u{3}\r\n\r\n".into(), 400),
        ("a huge header", format!("GET / HTTP/1.1\r\n{host}X: {}\r\n\r\n", "a".repeat(200_000)), 431),
        ("a huge path", format!("GET /{} HTTP/1.1\r\n{host}\r\n", "a".repeat(200_000)), 431),
        ("many headers", format!("GET / HTTP/1.1\r\n{host}{}\r\n", "X: y\r\n".repeat(500)), 431),
        ("no host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n".into(), 400),
        ("two hosts", format!("GET / HTTP/1.1\r\nHost: localhost\r\n{host}\r\n"), 400),
        ("parents", format!("GET /../../etc/passwd HTTP/1.1\r\n{host}\r\n"), 404),
        ("coded parents", format!("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n{host}\r\n"), 404),
        ("parents beside", format!("GET /schema/../../etc/passwd HTTP/1.1\r\n{host}\r\n"), 404),
        ("backslashes", format!("GET /..\\..\\etc HTTP/1.1\r\n{host}\r\n"), 404),
        ("a zero byte", format!("GET /%00 HTTP/1.1\r\n{host}\r\n"), 404),
        ("two slashes", format!("GET //state HTTP/1.1\r\n{host}\r\n"), 404),
        ("a trailing slash", format!("GET /state/ HTTP/1.1\r\n{host}\r\n"), 404),
        ("upper case", format!("GET /STATE HTTP/1.1\r\n{host}\r\n"), 404),
        ("another site's name", "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".into(), 403),
        ("a foreign target", format!("GET http://evil.example/ HTTP/1.1\r\n{host}\r\n"), 403),
        ("a tunnel", format!("CONNECT evil.example:80 HTTP/1.1\r\n{host}\r\n"), 403),
        ("a wrong method", format!("DELETE /state HTTP/1.1\r\n{host}\r\n"), 405),
        ("reading the control", format!("GET /control HTTP/1.1\r\n{host}\r\n"), 405),
        ("posting the page", format!("POST / HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n"), 405),
        ("a lie about length", format!("GET / HTTP/1.1\r\n{host}Content-Length: x\r\n\r\n"), 400),
    ] {
        let answer = ask(run.address, &request);
        assert_eq!(answer.status, wanted, "{what}: {}", String::from_utf8_lossy(&answer.body));
    }
    let health = run.get("/healthz");
    assert_eq!(health.status, 200, "still there: {} {:?}", health.text(), health.headers);
}

#[test]
fn a_request_that_never_ends_is_cut_off() {
    let run = Running::usual();
    let ended = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for i in 0..10 {
            let (mut stream, ended) = (run.connect(), &ended);
            scope.spawn(move || {
                let start = Instant::now();
                let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n");
                // Half drip a header, half fall silent.
                while i % 2 == 0 && start.elapsed() < Duration::from_secs(8) {
                    if stream.write_all(b"X: y\r\n").is_err() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(200));
                }
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest);
                assert!(!rest.starts_with(b"HTTP/1.1 200"));
                if start.elapsed() < Duration::from_secs(5) {
                    ended.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        assert_eq!(run.get("/healthz").status, 200, "others are served meanwhile");
    });
    assert_eq!(ended.load(Ordering::SeqCst), 10);
    // A body that never comes.
    let start = Instant::now();
    let request =
        "POST /control HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let answer = ask(run.address, request);
    assert_eq!(answer.status, 408);
    assert!(start.elapsed() < Duration::from_secs(5));
}

fn post(address: SocketAddr, body: &str, headers: &str) -> Answer {
    post_to(address, "/control", body, headers)
}

fn post_to(address: SocketAddr, path: &str, body: &str, headers: &str) -> Answer {
    let length = body.len();
    ask(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ),
    )
}

#[test]
fn the_picture_is_controlled_from_the_page_only() {
    let run = Running::usual();
    let kind = "Content-Type: application/json\r\n";
    let own = format!("{kind}Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", run.address);
    let body = json!({ "palette": "rainbow", "range": { "mode": "fixed", "min_c": 22.5, "max_c": 38.0 }, "agc": "plateau", "layers": { "boxes": true } });
    let answer = post(run.address, &body.to_string(), &own);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["look"]["palette"], "rainbow");
    let look = run.knobs.0.lock().unwrap().clone();
    assert_eq!(look.range, Range::Fixed { min_c: 22.5, max_c: 38.0 });
    assert_eq!(look.agc, "plateau");
    assert!(look.layers["boxes"] && look.layers["landmarks"]);
    assert_eq!(post(run.address, "{}", kind).status, 200, "a program without a browser");
    for (what, body, headers, wanted) in [
        ("another site", "{}", format!("{kind}Origin: http://evil.example\r\n"), 403),
        ("a hidden site", "{}", format!("{kind}Origin: null\r\n"), 403),
        ("another port", "{}", format!("{kind}Origin: http://127.0.0.1:1\r\n"), 403),
        ("an old browser's form", "{}", "Content-Type: text/plain\r\n".into(), 415),
        ("a site without origin", "{}", format!("{kind}Sec-Fetch-Site: cross-site\r\n"), 403),
        ("no JSON", "palette", kind.into(), 400),
        ("an unknown key", "{\"pallete\":\"iron\"}", kind.into(), 400),
        ("an unknown palette", "{\"palette\":\"pink\"}", kind.into(), 400),
        ("an unknown layer", "{\"layers\":{\"hats\":true}}", kind.into(), 400),
        ("a falling range", "{\"range\":{\"mode\":\"fixed\",\"min_c\":40,\"max_c\":20}}", kind.into(), 400),
        ("an unknown gain control", "{\"agc\":\"hdr\"}", kind.into(), 400),
        ("an endless range", "{\"range\":{\"mode\":\"fixed\",\"min_c\":0,\"max_c\":1e30}}", kind.into(), 400),
        ("too much", &" ".repeat(40_000), kind.into(), 413),
    ] {
        let answer = post(run.address, body, &headers);
        assert_eq!(answer.status, wanted, "{what}: {}", answer.text());
    }
    assert_eq!(run.knobs.0.lock().unwrap().clone(), look, "nothing of that was taken");
    let said = post(run.address, "{\"palette\":\"pink\"}", kind);
    assert!(said.text().contains("wanted one of white_hot, black_hot, iron, rainbow"), "{}", said.text());
}

#[test]
fn targets_are_asked_for_where_there_is_a_tracker() {
    let kind = "Content-Type: application/json\r\n";
    let faces = Running::usual();
    let answer = post_to(faces.address, "/track", "{\"at\":[1,2]}", kind);
    assert_eq!(answer.status, 404, "faces are found, nothing is tracked");
    assert_eq!(faces.get("/state").json()["tracks_targets"], false);

    let asked = Arc::new(demo::Asked::default());
    let (mut hooks, _) = demo::hooks(true);
    hooks.targets = Some(asked.clone());
    let sink = HttpSink::open(&settings(), &hooks).unwrap();
    let address = sink.local_addr();
    for (body, headers, wanted) in [
        ("{\"box\":[1,2,30,40]}", kind, 202),
        ("{\"at\":[5.5,6]}", kind, 202),
        ("{\"stop\":7}", kind, 202),
        ("{\"stop\":7}", "Content-Type: text/plain\r\n", 415),
        ("{\"box\":[1,2,30]}", kind, 400),
        ("{\"at\":[null,1]}", kind, 400),
        ("{\"hat\":1}", kind, 400),
        ("[]", kind, 400),
    ] {
        assert_eq!(post_to(address, "/track", body, headers).status, wanted, "{body}");
    }
    let wanted = [Request::Box([1.0, 2.0, 30.0, 40.0]), Request::At([5.5, 6.0]), Request::Stop(7)];
    assert_eq!(*asked.0.lock().unwrap(), wanted);
    let schema = ask(address, &format!("GET /schema HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"));
    assert_eq!(schema.text(), TRACK_SCHEMA);
}

#[test]
fn beyond_loopback_a_token_is_demanded() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let open = Settings { listen: listen.into(), ..settings() };
        let error = open.validate().unwrap_err();
        assert_eq!((error.remedy(), error.subject()), (heatmark::Remedy::Fix, "sink.http.token"), "{listen}");
    }
    let weak = Settings { token: Some(Secret::new("tooshort")), ..settings() };
    assert_eq!(weak.validate().unwrap_err().subject(), "sink.http.token");

    let token = "correct-horse-battery-staple";
    let guarded = Settings { listen: "0.0.0.0:0".into(), token: Some(Secret::new(token)), ..settings() };
    let run = Running::start(&guarded, 1, Duration::from_millis(20));
    let address = SocketAddr::from(([127, 0, 0, 1], run.address.port()));
    for path in ["/", "/state", "/stream.mjpg", "/events", "/healthz", "/metrics", "/frame.tiff", "/none"] {
        let refused = get(address, path);
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Bearer"), "{path}");
    }
    let with = |value: &str| {
        let request =
            format!("GET /state HTTP/1.1\r\nHost: cam.lan\r\nConnection: close\r\nAuthorization: {value}\r\n\r\n");
        ask(address, &request).status
    };
    assert_eq!(with(&format!("Bearer {token}")), 200);
    assert_eq!(with(&format!("bearer {token}")), 200);
    for wrong in
        [format!("Basic {token}"), "Bearer".into(), format!("Bearer {token}x"), format!("Bearer {}", &token[1..])]
    {
        assert_eq!(with(&wrong), 401, "{wrong}");
    }
    assert_eq!(get(address, &format!("/state?token={token}")).status, 200);
    assert_eq!(get(address, &format!("/state?n=1&token={token}")).status, 200);
    assert_eq!(get(address, "/state?token=").status, 401);
    assert_eq!(Live::open(address, &format!("/stream.mjpg?token={token}")).status, 200);
}

#[test]
fn health_follows_the_frames() {
    let (hooks, _) = demo::hooks(true);
    let hasty = Settings { stale_ms: 400, ..settings() };
    let sink = HttpSink::open(&hasty, &hooks).unwrap();
    let answer = get(sink.local_addr(), "/healthz");
    assert_eq!((answer.status, answer.json()), (503, json!({ "ok": false, "state": "no_signal", "age_ms": null })));
    drop(sink);
    let run = Running::start(&hasty, 2, Duration::from_millis(20));
    settle("health", || run.get("/healthz").status == 200);
    run.signal.store(false, Ordering::SeqCst);
    settle("sickness", || run.get("/healthz").status == 503);
    let sick = run.get("/healthz").json();
    assert_eq!(sick["state"], "no_signal");
    assert!(sick["age_ms"].as_u64().unwrap() >= 400, "{sick}");
    run.signal.store(true, Ordering::SeqCst);
    settle("health again", || run.get("/healthz").status == 200);
}

#[test]
fn a_frame_shown_again_is_no_sign_of_life() {
    let (hooks, _) = demo::hooks(true);
    let hasty = Settings { stale_ms: 400, ..settings() };
    let mut sink = HttpSink::open(&hasty, &hooks).unwrap();
    let demo = Demo::new(1);
    settle("sickness", || {
        demo.put(&mut sink).unwrap();
        get(sink.local_addr(), "/healthz").status == 503
    });
}

#[test]
fn the_port_is_free_again_at_once() {
    let mut run = Running::usual();
    let watcher = Live::open(run.address, "/stream.mjpg");
    let mut sink = run.stop().unwrap();
    let start = Instant::now();
    sink.finish().unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    let again = Settings { listen: run.address.to_string(), ..settings() };
    let (hooks, _) = demo::hooks(true);
    let second = HttpSink::open(&again, &hooks).unwrap();
    let (of_another_program, _) = demo::hooks(true);
    let taken = HttpSink::open(&again, &of_another_program).err().unwrap();
    assert_eq!(taken.remedy(), heatmark::Remedy::Fix);
    assert!(taken.to_string().contains("another program listens there"), "{taken}");
    drop((watcher, second));
}

/// Checks the Prometheus text format (0.0.4) more strictly than a scraper would: every sample
/// belongs to a family announced right before it, no series occurs twice, histograms are whole.
fn check_metrics(text: &str) -> std::collections::BTreeMap<String, f64> {
    let mut samples = std::collections::BTreeMap::new();
    let (mut family, mut kind) = (String::new(), String::new());
    let mut families = std::collections::BTreeSet::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split_once(' ').expect("a text").0.to_string();
            assert!(families.insert(family.clone()), "{family} twice");
            kind.clear();
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, k) = rest.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert!(["counter", "gauge", "histogram"].contains(&k), "{k}");
            assert_eq!(k == "counter", name.ends_with("_total"), "{name}");
            kind = k.to_string();
            continue;
        }
        assert!(!kind.is_empty(), "a sample without a type: {line}");
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let name = series.split('{').next().unwrap();
        let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.iter().any(|s| name == format!("{family}{s}")), "{name} in {family}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        if let Some(labels) = series.strip_prefix(name).filter(|l| !l.is_empty()) {
            check_labels(labels);
        }
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(samples.insert(series.to_string(), value).is_none(), "{series} twice");
    }
    samples
}

fn check_labels(text: &str) {
    let mut rest = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).expect("braces");
    loop {
        let (name, tail) = rest.split_once("=\"").expect("a label");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        let mut end = None;
        let mut escaped = false;
        for (i, c) in tail.char_indices() {
            match (escaped, c) {
                (true, c) => {
                    assert!("\\\"n".contains(c), "an escape of {c}");
                    escaped = false;
                }
                (false, '\\') => escaped = true,
                (false, '"') => {
                    end = Some(i);
                    break;
                }
                _ => {}
            }
        }
        rest = &tail[end.expect("a closing quote") + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break assert!(rest.is_empty(), "{rest}"),
        }
    }
}

#[test]
fn metrics_are_prometheus_text() {
    let run = Running::usual();
    settle("faces", || run.get("/state").json()["faces"] == 2);
    let text = run.get("/metrics").text().to_string();
    let samples = check_metrics(&text);
    let one = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("{name} in\n{text}"));
    assert_eq!(one("heatmark_frames_captured_total"), 4133.0);
    assert_eq!(one("heatmark_frames_dropped_total{reason=\"superseded\"}"), 11.0);
    let dropped: f64 = samples.iter().filter(|s| s.0.starts_with("heatmark_frames_dropped_total")).map(|s| s.1).sum();
    assert_eq!(
        one("heatmark_frames_captured_total"),
        one("heatmark_frames_presented_total") + dropped + one("heatmark_frames_in_flight")
    );
    assert_eq!(one("heatmark_frame_age_seconds_bucket{le=\"0.016384\"}"), 4000.0);
    assert_eq!(one("heatmark_frame_age_seconds_bucket{le=\"+Inf\"}"), one("heatmark_frame_age_seconds_count"));
    assert_eq!(one("heatmark_state{state=\"live\"}"), 1.0);
    assert_eq!(one("heatmark_ffc{state=\"running\"}"), 0.0);
    assert_eq!(one("heatmark_sensor_celsius"), 31.25);
    assert_eq!(one("heatmark_faces"), 2.0);
    assert!((30.0..37.0).contains(&one("heatmark_region_celsius{face=\"0\",region=\"forehead\"}")));
    assert!(samples.keys().any(|k| k.contains("face=\"1\"")) && !samples.keys().any(|k| k.contains("track")));
    assert_eq!(one("heatmark_sink_lost_total{sink=\"odd \\\"name\\\"\\\\\\n\"}"), 0.0);
}

#[test]
fn no_degree_of_a_camera_that_measures_none() {
    let (hooks, _) = demo::hooks(false);
    let mut sink = HttpSink::open(&settings(), &hooks).unwrap();
    let mut demo = Demo::new(1);
    demo.result.radiometric = false;
    demo.put(&mut sink).unwrap();
    let text = get(sink.local_addr(), "/metrics").text().to_string();
    let samples = check_metrics(&text);
    assert!(!samples.keys().any(|k| k.starts_with("heatmark_region_celsius")), "{text}");
    assert_eq!(samples["heatmark_faces"], 1.0);
}

#[test]
fn settings_are_checked() {
    for (bad, key) in [
        (Settings { listen: "everywhere".into(), ..settings() }, "sink.http.listen"),
        (Settings { max_clients: 0, ..settings() }, "sink.http.max_clients"),
        (Settings { jpeg_quality: 0, ..settings() }, "sink.http.jpeg_quality"),
        (Settings { stale_ms: 1, ..settings() }, "sink.http.stale_ms"),
        (Settings { patience_ms: 1, ..settings() }, "sink.http.patience_ms"),
    ] {
        assert_eq!(bad.validate().unwrap_err().subject(), key);
    }
    assert!(Settings::default().validate().is_ok());
    assert!(Settings { listen: "localhost:9000".into(), ..settings() }.validate().is_ok());
    assert!(toml::from_str::<Settings>("tokn = \"x\"").is_err());
}
