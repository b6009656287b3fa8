//! What each path answers.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::pictures::BOUNDARY;
use super::{Shared, guard, metrics};
use crate::frame::Signal;
use crate::look::{Adjust, Change, Range};
use crate::sink::RESULT_SCHEMA;
use crate::sink::ring::Next;

/// The page, with its style and script inside.
const PAGE: &str = include_str!("page.html");
/// Largest body of a request, bytes.
const MAX_BODY: usize = 16 * 1024;
/// Longest wait for a picture or a frame that was asked for.
const NEXT_PICTURE: Duration = Duration::from_secs(2);
/// How often something is sent when nothing happens, so that a peer that has gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Temperatures that a fixed range may span, degC.
const RANGE_C: std::ops::RangeInclusive<f32> = -273.0..=3000.0;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/stream.mjpg", get(stream))
        .route("/snapshot.png", get(snapshot))
        .route("/frame.tiff", get(frame))
        .route("/events", get(events))
        .route("/state", get(state))
        .route("/metrics", get(metrics_text))
        .route("/healthz", get(health))
        .route("/schema", get(schema))
        .route("/control", post(control))
        .fallback(|| async { (StatusCode::NOT_FOUND, "nothing is here\n") })
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard::guard))
        .with_state(shared)
}

fn typed(kind: &'static str, body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body.into()).into_response()
}

fn busy() -> Response {
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("5"))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, "every seat is taken (see sink.http.max_clients)\n").into_response()
}

/// The page may run its own script and style, known by their hashes, and talk to this server only.
static PAGE_POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let hash = |tag: &str| {
        let inside = PAGE.split_once(&format!("<{tag}>"))?.1.split_once(&format!("</{tag}>"))?.0;
        Some(format!("'sha256-{}'", base64(&Sha256::digest(inside.as_bytes()))))
    };
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash("script")?,
        hash("style")?
    );
    HeaderValue::from_str(&policy).ok()
});

/// RFC 4648 section 4, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * i) & 63) as usize];
            text.push(if i > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

async fn page() -> Response {
    let mut response = typed("text/html; charset=utf-8", PAGE);
    if let Some(policy) = PAGE_POLICY.as_ref() {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
    response
}

async fn schema() -> Response {
    typed("application/schema+json", RESULT_SCHEMA)
}

/// Runs `feed` beside a response whose body is what it sends, one chunk ahead at most.
fn streaming<F>(kind: &'static str, seats: &Arc<Semaphore>, feed: impl FnOnce(mpsc::Sender<Chunk>) -> F) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let Ok(seat) = Arc::clone(seats).try_acquire_owned() else { return busy() };
    let (to, chunks) = mpsc::channel(1);
    let feed = feed(to);
    tokio::spawn(async move {
        feed.await;
        drop(seat);
    });
    typed(kind, Body::from_stream(ReceiverStream::new(chunks)))
}

type Chunk = Result<Bytes, std::convert::Infallible>;

async fn stream(State(shared): State<Arc<Shared>>) -> Response {
    let parts = shared.pictures.parts.subscribe();
    let kind = "multipart/x-mixed-replace; boundary=heatmark-frame";
    streaming(kind, &shared.stream_seats, |to| feed_pictures(parts, to))
}

/// Sends the newest picture whenever the client has room for one.
async fn feed_pictures(mut parts: watch::Receiver<Bytes>, to: mpsc::Sender<Chunk>) {
    if to.send(Ok(Bytes::from(format!("--{BOUNDARY}\r\n")))).await.is_err() {
        return;
    }
    loop {
        let Ok(room) = to.reserve().await else { return };
        let changed = tokio::select! {
            changed = tokio::time::timeout(HEARTBEAT, parts.changed()) => changed,
            () = to.closed() => return,
        };
        if matches!(changed, Ok(Err(_))) {
            return;
        }
        let part = parts.borrow_and_update().clone();
        if !part.is_empty() {
            room.send(Ok(part));
        }
    }
}

async fn events(State(shared): State<Arc<Shared>>) -> Response {
    let s = Arc::clone(&shared);
    streaming("text/event-stream", &shared.event_seats, |to| feed_events(s, to))
}

async fn feed_events(shared: Arc<Shared>, to: mpsc::Sender<Chunk>) {
    let ring = &shared.events;
    let mut head = ring.subscribe();
    let (mut at, mut line) = (ring.now(), String::new());
    if to.send(Ok(Bytes::from_static(b"retry: 1000\n\n"))).await.is_err() {
        return;
    }
    loop {
        let Ok(room) = to.reserve().await else { return };
        let from = at;
        let event = match ring.read(&mut at, &mut line) {
            Next::Closed => return,
            Next::Line => format!("data: {line}\n\n"),
            Next::Lagged(_) => {
                // Far behind: go on with the newest.
                at = ring.now().saturating_sub(1);
                format!("event: lag\ndata: {{\"lost\":{}}}\n\n", at - from)
            }
            Next::Empty => {
                tokio::select! {
                    changed = tokio::time::timeout(HEARTBEAT, head.changed()) => match changed {
                        Ok(Ok(())) => continue,
                        Ok(Err(_)) => return,
                        Err(_) => ":\n\n".into(),
                    },
                    () = to.closed() => return,
                }
            }
        };
        room.send(Ok(Bytes::from(event)));
    }
}

/// The next thing that the encoder makes.
async fn next(made: &watch::Sender<Bytes>, kind: &'static str) -> Response {
    let mut newest = made.subscribe();
    match tokio::time::timeout(NEXT_PICTURE, newest.changed()).await {
        Ok(Ok(())) => {
            let bytes = newest.borrow().clone();
            typed(kind, bytes)
        }
        _ => (StatusCode::SERVICE_UNAVAILABLE, "no frame came within 2 s\n").into_response(),
    }
}

async fn snapshot(State(shared): State<Arc<Shared>>) -> Response {
    next(&shared.pictures.png, "image/png").await
}

async fn frame(State(shared): State<Arc<Shared>>) -> Response {
    next(&shared.pictures.tiff, "image/tiff").await
}

async fn state(State(shared): State<Arc<Shared>>) -> Response {
    let snapshot = shared.hooks.status.snapshot();
    let latest = shared.latest();
    let mut body = json!({
        "schema": "heatmark.state/1",
        "version": env!("CARGO_PKG_VERSION"),
        "model": &*shared.hooks.model,
        "last_frame_age_ms": age_ms(latest.frame_at),
        "faces": latest.faces,
        "clients": clients(&shared),
        "controls": shared.hooks.controls.as_ref().map(|c| described(c.as_ref())),
    });
    if let (Some(body), Ok(serde_json::Value::Object(all))) = (body.as_object_mut(), serde_json::to_value(&snapshot)) {
        for (key, value) in all {
            body.entry(key).or_insert(value);
        }
    }
    typed("application/json", body.to_string())
}

fn clients(shared: &Shared) -> serde_json::Value {
    let taken = |seats: &Semaphore| shared.max_clients.saturating_sub(seats.available_permits());
    json!({ "stream": taken(&shared.stream_seats), "events": taken(&shared.event_seats) })
}

fn age_ms(at: Option<std::time::Instant>) -> Option<u64> {
    at.map(|t| u64::try_from(t.elapsed().as_millis()).unwrap_or(u64::MAX))
}

fn described(controls: &dyn Adjust) -> serde_json::Value {
    json!({ "choices": controls.choices(), "look": controls.look() })
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> Response {
    typed("text/plain; version=0.0.4; charset=utf-8", metrics::text(&shared))
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let latest = shared.latest();
    let ok = latest.frame_at.is_some_and(|t| t.elapsed() <= shared.stale);
    let body = json!({ "ok": ok, "state": latest.state, "age_ms": age_ms(latest.frame_at) });
    let mut response = typed("application/json", body.to_string());
    if !ok {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn control(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let json_type = |v: &HeaderValue| v.to_str().is_ok_and(|v| v.split(';').next() == Some("application/json"));
    if !request.headers().get(header::CONTENT_TYPE).is_some_and(json_type) {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "wanted application/json\n").into_response();
    }
    let Ok(body) = to_bytes(request.into_body(), MAX_BODY).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "wanted at most 16 KiB\n").into_response();
    };
    let Some(controls) = &shared.hooks.controls else {
        return (StatusCode::NOT_FOUND, "this picture has no controls\n").into_response();
    };
    let asked = serde_json::from_slice::<Change>(&body)
        .map_err(|e| e.to_string())
        .and_then(|change| allowed(change, controls.as_ref()));
    let signal = shared.hooks.status.snapshot().format.map_or(Signal::Counts, |format| format.signal);
    let changed = asked.and_then(|change| controls.change(&change, signal).map_err(|e| e.to_string()));
    match changed {
        Ok(()) => typed("application/json", described(controls.as_ref()).to_string()),
        Err(why) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    }
}

/// The change itself where every name and number in it is one of the choices.
fn allowed(change: Change, controls: &dyn Adjust) -> Result<Change, String> {
    let choices = controls.choices();
    if let Some(palette) = &change.palette
        && !choices.palettes.contains(palette)
    {
        return Err(format!("palette: is \"{palette}\", wanted one of {}", choices.palettes.join(", ")));
    }
    if let Some(agc) = &change.agc
        && !choices.agc.contains(agc)
    {
        return Err(format!("agc: is \"{agc}\", wanted one of {}", choices.agc.join(", ")));
    }
    if let Some(layer) = change.layers.keys().find(|l| !choices.layers.contains(l)) {
        return Err(format!("layers: has \"{layer}\", wanted {}", choices.layers.join(", ")));
    }
    if let Some(Range::Fixed { min_c, max_c }) = change.range
        && !(RANGE_C.contains(&min_c) && RANGE_C.contains(&max_c) && min_c < max_c)
    {
        return Err(format!("range: is {min_c} to {max_c}, wanted rising temperatures within -273 to 3000"));
    }
    Ok(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn the_page_is_self_contained() {
        let policy = PAGE_POLICY.as_ref().expect("one script and one style").to_str().unwrap();
        assert!(policy.contains("sha256-"));
        for mark in ["src=\"http", "href=\"http", "@import", "url(http", "//cdn", "<link rel=\"stylesheet"] {
            assert!(!PAGE.contains(mark), "{mark}");
        }
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert_eq!(PAGE.matches("<style").count(), 1);
        // Inline handlers and styles would be refused by the policy.
        for mark in [" onclick=", " onload=", " onerror=", " style=\""] {
            assert!(!PAGE.contains(mark), "{mark}");
        }
    }
}
