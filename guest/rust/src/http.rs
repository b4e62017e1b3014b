//! HTTP requests.

use crate::json::{Object, Value};
use crate::messaging::milliseconds;
use crate::service::ask_for;
use crate::{Error, Headers};
use std::time::Duration;

/// What to do with a response that points elsewhere, as in the Fetch standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    Follow,
    Error,
    Manual,
}

/// An HTTP request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    /// Bounds the whole exchange; `None` takes the node's default, and no more than that is had.
    pub timeout: Option<Duration>,
    pub redirect: Redirect,
}

impl Request {
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Request {
        Request {
            method: method.into(),
            url: url.into(),
            headers: Headers::default(),
            body: Vec::new(),
            timeout: None,
            redirect: Redirect::Follow,
        }
    }
}

/// An HTTP response, of whatever status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub status_text: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    /// After redirects.
    pub url: String,
    pub redirected: bool,
}

/// Makes a request and returns the response with its whole body.
pub fn send(request: &Request) -> Result<Response, Error> {
    let redirect = match request.redirect {
        Redirect::Follow => "follow",
        Redirect::Error => "error",
        Redirect::Manual => "manual",
    };
    let meta = Object::new()
        .text("method", &request.method)
        .text("url", &request.url)
        .headers("headers", &request.headers)
        .number("timeout_ms", milliseconds(request.timeout))
        .text("redirect", redirect)
        .end();
    ask_for("http", "request", &meta, &request.body, decode)
}

/// Makes a GET request.
pub fn get(url: &str) -> Result<Response, Error> {
    send(&Request::new("GET", url))
}

fn decode(v: &Value, body: Vec<u8>) -> Option<Response> {
    Some(Response {
        status: v.get("status")?.size()?.try_into().ok()?,
        status_text: v.get("status_text")?.text()?.to_string(),
        headers: v.get("headers").map(Value::headers).unwrap_or_default(),
        body,
        url: v.get("url")?.text()?.to_string(),
        redirected: v.get("redirected").and_then(Value::truth).unwrap_or(false),
    })
}
