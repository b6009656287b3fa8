//! The response for each path.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::channel::Channel;
use super::pictures::BOUNDARY;
use super::site::Site;
use super::{guard, metrics};
use crate::frame::Signal;
use crate::look::{Adjust, Change, Range, Request as Track};
use crate::sink::ring::Next;
use crate::sink::{RESULT_SCHEMA, TRACK_SCHEMA};

/// The page, with its style and script inline.
const PAGE: &str = include_str!("page.html");
/// Largest body of a request, bytes.
const MAX_BODY: usize = 16 * 1024;
/// Longest wait for a requested picture or frame.
const NEXT_PICTURE: Duration = Duration::from_secs(2);
/// Interval of keep-alive messages on an idle stream, so that a lost peer is noticed.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long a disconnected client of the events should wait before it reconnects.
const RECONNECT: Duration = Duration::from_secs(1);
/// Limits of a fixed range, degC.
const RANGE_C: std::ops::RangeInclusive<f32> = -273.0..=3000.0;

/// Every path, once at the root for the first camera and once below the name of each camera.
pub(super) fn router(site: Arc<Site>) -> Router {
    let mut router = Router::new().route("/{camera}", get(with_slash));
    for base in ["/", "/{camera}/"] {
        let at = |path: &str| format!("{base}{path}");
        router = router
            .route(base, get(page))
            .route(&at("stream.mjpg"), get(stream))
            .route(&at("snapshot.png"), get(snapshot))
            .route(&at("frame.tiff"), get(frame))
            .route(&at("events"), get(events))
            .route(&at("state"), get(state))
            .route(&at("metrics"), get(metrics_text))
            .route(&at("healthz"), get(health))
            .route(&at("schema"), get(schema))
            .route(&at("control"), post(control))
            .route(&at("track"), post(track));
    }
    router
        .fallback(|| async { nothing() })
        .layer(middleware::from_fn_with_state(Arc::clone(&site.guard), guard::guard))
        .with_state(site)
}

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "nothing is here\n").into_response()
}

/// The camera of a request: the one its path names, or the first.
struct On {
    channel: Arc<Channel>,
    /// True if the path names it.
    named: bool,
}

impl FromRequestParts<Arc<Site>> for On {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Response> {
        let names = RawPathParams::from_request_parts(parts, site).await.map_err(|_| nothing())?;
        let name = names.iter().next().map(|(_, name)| name);
        let channel = site.channel(name).ok_or_else(nothing)?;
        Ok(Self { channel, named: name.is_some() })
    }
}

/// The page of a camera, requested without the trailing slash that its relative links need.
async fn with_slash(on: On, uri: Uri) -> Response {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::permanent(&format!("{}/{query}", on.channel.name())).into_response()
}

fn typed(kind: &'static str, body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body.into()).into_response()
}

fn busy() -> Response {
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("5"))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, "every seat is taken (see sink.http.max_clients)\n").into_response()
}

/// The page may run only its own script and style, identified by hash, and connect only to this server.
static PAGE_POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let hash = |tag: &str| {
        let inside = PAGE.split_once(&format!("<{tag}>"))?.1.split_once(&format!("</{tag}>"))?.0;
        Some(format!("'sha256-{}'", BASE64_STANDARD.encode(hmac_sha256::Hash::hash(inside.as_bytes()))))
    };
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash("script")?,
        hash("style")?
    );
    HeaderValue::from_str(&policy).ok()
});

async fn page(_: On) -> Response {
    let mut response = typed("text/html; charset=utf-8", PAGE);
    if let Some(policy) = PAGE_POLICY.as_ref() {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
    response
}

async fn schema(on: On) -> Response {
    let schema = if on.channel.hooks.targets.is_some() { TRACK_SCHEMA } else { RESULT_SCHEMA };
    typed("application/schema+json", schema)
}

/// Runs `feed` while a client receives its items, at most one item ahead. `None` if every seat is
/// taken.
fn fed<T, F>(seats: &Arc<Semaphore>, feed: impl FnOnce(mpsc::Sender<T>) -> F) -> Option<ReceiverStream<T>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let seat = Arc::clone(seats).try_acquire_owned().ok()?;
    let (to, items) = mpsc::channel(1);
    let feed = feed(to);
    tokio::spawn(async move {
        feed.await;
        drop(seat);
    });
    Some(ReceiverStream::new(items))
}

type Chunk = Result<Bytes, Infallible>;

async fn stream(State(site): State<Arc<Site>>, on: On) -> Response {
    let parts = on.channel.pictures.parts.subscribe();
    let Some(chunks) = fed(&site.stream_seats, |to| feed_pictures(parts, to)) else { return busy() };
    typed("multipart/x-mixed-replace; boundary=heatmark-frame", Body::from_stream(chunks))
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

async fn events(State(site): State<Arc<Site>>, on: On) -> Response {
    let Some(events) = fed(&site.event_seats, |to| feed_events(on.channel, to)) else { return busy() };
    let heartbeat = KeepAlive::new().interval(HEARTBEAT);
    let mut response = Sse::new(events).keep_alive(heartbeat).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Sends each result. A line is read only when there is room for it, so a slow client gets the
/// newest one and learns how many it lost.
async fn feed_events(channel: Arc<Channel>, to: mpsc::Sender<Result<Event, Infallible>>) {
    let ring = &channel.events;
    let mut head = ring.subscribe();
    let (mut at, mut line) = (ring.now(), String::new());
    if to.send(Ok(Event::default().retry(RECONNECT))).await.is_err() {
        return;
    }
    loop {
        let Ok(room) = to.reserve().await else { return };
        let from = at;
        match ring.read(&mut at, &mut line) {
            Next::Closed => return,
            Next::Line => room.send(Ok(Event::default().data(&line))),
            Next::Lagged(_) => {
                // Far behind: continue with the newest.
                at = ring.now().saturating_sub(1);
                let lost = format!("{{\"lost\":{}}}", at - from);
                room.send(Ok(Event::default().event("lag").data(lost)));
            }
            Next::Empty => tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                () = to.closed() => return,
            },
        }
    }
}

/// Waits for the encoder's next output.
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

async fn snapshot(on: On) -> Response {
    next(&on.channel.pictures.png, "image/png").await
}

async fn frame(on: On) -> Response {
    next(&on.channel.pictures.tiff, "image/tiff").await
}

async fn state(State(site): State<Arc<Site>>, on: On) -> Response {
    let (hooks, latest) = (&on.channel.hooks, on.channel.latest());
    let snapshot = hooks.status.snapshot();
    let cameras: Vec<_> = site.channels().iter().map(|channel| channel.name().to_string()).collect();
    let mut body = json!({
        "schema": "heatmark.state/1",
        "version": env!("CARGO_PKG_VERSION"),
        "camera": on.channel.name(),
        "cameras": cameras,
        "model": &*hooks.model,
        "last_frame_age_ms": age_ms(latest.frame_at),
        "faces": latest.faces,
        "tracks_targets": hooks.targets.is_some(),
        "clients": clients(&site),
        "controls": hooks.controls.as_ref().map(|c| described(c.as_ref())),
    });
    if let (Some(body), Ok(serde_json::Value::Object(all))) = (body.as_object_mut(), serde_json::to_value(&snapshot)) {
        for (key, value) in all {
            body.entry(key).or_insert(value);
        }
    }
    typed("application/json", body.to_string())
}

fn clients(site: &Site) -> serde_json::Value {
    let taken = |seats: &Semaphore| site.max_clients.saturating_sub(seats.available_permits());
    json!({ "stream": taken(&site.stream_seats), "events": taken(&site.event_seats) })
}

fn age_ms(at: Option<std::time::Instant>) -> Option<u64> {
    at.map(|t| u64::try_from(t.elapsed().as_millis()).unwrap_or(u64::MAX))
}

fn described(controls: &dyn Adjust) -> serde_json::Value {
    json!({ "choices": controls.choices(), "look": controls.look() })
}

/// At the plain path all cameras; below a camera's name only that camera.
async fn metrics_text(State(site): State<Arc<Site>>, on: On) -> Response {
    let all = site.channels();
    let several = all.len() > 1;
    let shown = if on.named { vec![on.channel] } else { all };
    typed("text/plain; version=0.0.4; charset=utf-8", metrics::text(&site, &shown, several))
}

async fn health(State(site): State<Arc<Site>>, on: On) -> Response {
    let latest = on.channel.latest();
    let ok = latest.frame_at.is_some_and(|t| t.elapsed() <= site.stale);
    let body = json!({ "ok": ok, "state": latest.state, "age_ms": age_ms(latest.frame_at) });
    let mut response = typed("application/json", body.to_string());
    if !ok {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// The body of a request, if it is JSON and not too large.
async fn json_body(request: Request) -> Result<Bytes, Response> {
    let json_type = |v: &HeaderValue| v.to_str().is_ok_and(|v| v.split(';').next() == Some("application/json"));
    if !request.headers().get(header::CONTENT_TYPE).is_some_and(json_type) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "wanted application/json\n").into_response());
    }
    let too_large = |_| (StatusCode::PAYLOAD_TOO_LARGE, "wanted at most 16 KiB\n").into_response();
    to_bytes(request.into_body(), MAX_BODY).await.map_err(too_large)
}

async fn track(on: On, request: Request) -> Response {
    let body = match json_body(request).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let Some(targets) = &on.channel.hooks.targets else {
        return (StatusCode::NOT_FOUND, "this camera tracks no targets\n").into_response();
    };
    match serde_json::from_slice::<Track>(&body) {
        Err(e) => (StatusCode::BAD_REQUEST, format!("{e}\n")).into_response(),
        Ok(asked) => match targets.request(asked) {
            Ok(()) => StatusCode::ACCEPTED.into_response(),
            Err(e) => (StatusCode::SERVICE_UNAVAILABLE, format!("{e}\n")).into_response(),
        },
    }
}

async fn control(on: On, request: Request) -> Response {
    let body = match json_body(request).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let Some(controls) = &on.channel.hooks.controls else {
        return (StatusCode::NOT_FOUND, "this picture has no controls\n").into_response();
    };
    let asked = serde_json::from_slice::<Change>(&body)
        .map_err(|e| e.to_string())
        .and_then(|change| allowed(change, controls.as_ref()));
    let signal = on.channel.hooks.status.snapshot().format.map_or(Signal::Counts, |format| format.signal);
    let changed = asked.and_then(|change| controls.change(&change, signal).map_err(|e| e.to_string()));
    match changed {
        Ok(()) => typed("application/json", described(controls.as_ref()).to_string()),
        Err(why) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    }
}

/// Returns the change if every name and number in it is allowed.
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
