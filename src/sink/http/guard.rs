//! Access rules (token, host names, same origin) and the headers of every response.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, Result};

/// Shortest token, characters.
const MIN_TOKEN: usize = 16;

/// A secret from the configuration; never printed.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn validate(&self, key: &str) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        if self.0.len() < MIN_TOKEN || !self.0.chars().all(plain) {
            let found = self.0.chars().count();
            return Err(Error::fix(
                key,
                format!("has {found} characters, wanted at least {MIN_TOKEN} letters, digits or -._~"),
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"(hidden)\"")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("(hidden)")
    }
}

/// The access rules of one server.
pub(super) struct Access {
    /// SHA-256 digest of the token: the time to compare two digests reveals nothing about the token.
    token: Option<[u8; 32]>,
    hosts: Vec<String>,
}

impl Access {
    pub(super) fn new(token: Option<&Secret>, hosts: &[String]) -> Self {
        let token = token.map(|t| hmac_sha256::Hash::hash(t.0.as_bytes()));
        Self { token, hosts: hosts.iter().map(|h| h.to_ascii_lowercase()).collect() }
    }

    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(refuse(StatusCode::BAD_REQUEST, "wanted one Host header"));
        };
        let host = host.to_str().map_err(|_| refuse(StatusCode::BAD_REQUEST, "the Host header is not text"))?;
        match self.token {
            // Another site's page could reach this server through a host name that resolves to loopback.
            None => {
                let named = uri.authority().map(|a| a.as_str());
                if !self.knows(host) || named.is_some_and(|n| !self.knows(n)) {
                    return Err(refuse(
                        StatusCode::FORBIDDEN,
                        "this host name is not served here (see sink.http.hosts)",
                    ));
                }
            }
            Some(wanted) => {
                let given = bearer(headers).or_else(|| query_token(uri));
                if !given.is_some_and(|t| wanted == hmac_sha256::Hash::hash(t.as_bytes())) {
                    return Err(refuse(StatusCode::UNAUTHORIZED, "wanted a token: Authorization: Bearer, or ?token="));
                }
            }
        }
        if method == Method::POST && !same_origin(headers, host) {
            return Err(refuse(StatusCode::FORBIDDEN, "changes are taken from this page only"));
        }
        Ok(())
    }

    /// True for loopback addresses, `localhost` and the configured names, with any port.
    fn knows(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let name = name.to_ascii_lowercase();
        let loopback = name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        loopback || name == "localhost" || self.hosts.contains(&name)
    }
}

type Refusal = (StatusCode, &'static str);

fn refuse(status: StatusCode, why: &'static str) -> Refusal {
    (status, why)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Token in the query, for `<img>` and event sources, which cannot send headers. Tokens need no
/// percent-encoding.
fn query_token(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

/// True unless the browser reports that the request comes from another site.
fn same_origin(headers: &HeaderMap, host: &str) -> bool {
    let site = headers.get("sec-fetch-site");
    if site.is_some_and(|s| s != "same-origin" && s != "none") {
        return false;
    }
    match headers.get(header::ORIGIN).map(HeaderValue::to_str) {
        None => true,
        Some(Ok(origin)) => {
            let name = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            name.is_some_and(|n| n.eq_ignore_ascii_case(host))
        }
        Some(Err(_)) => false,
    }
}

/// Access rules, and the time limit for a response.
pub(super) struct Guard {
    pub access: Access,
    pub patience: Duration,
}

/// Applies the rules and the time limit for a response, and adds the headers.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let checked = guard.access.check(request.method(), request.uri(), request.headers());
    let mut response = match checked {
        Err((status, why)) => (status, format!("{why}\n")).into_response(),
        Ok(()) => match tokio::time::timeout(guard.patience, next.run(request)).await {
            Ok(response) => response,
            Err(_) => (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response(),
        },
    };
    let unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    if unauthorized {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Forbid caching, framing, content sniffing, embedding elsewhere and referrers to other sites.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_and_configured_ones_are_known() {
        let access = Access::new(None, &["Cam.Example".into()]);
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "cam.example:443"] {
            assert!(access.knows(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"] {
            assert!(!access.knows(host), "{host}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let secret = Secret::new("correct-horse-battery");
        assert!(!format!("{secret:?} {}", serde_json::to_string(&secret).unwrap()).contains("horse"));
        assert!(secret.validate("k").is_ok());
        assert!(Secret::new("short").validate("k").is_err());
        assert!(Secret::new("with spaces in it, long").validate("k").is_err());
    }
}
