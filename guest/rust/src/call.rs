use crate::abi;
use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The headers of a message: names and values, in order. A name may come several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        let first = self.0.iter().find(|(n, _)| n == name);
        first.map(|(_, value)| value.as_str())
    }

    /// Adds a header.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Reads headers as the host writes them: for each value the name and the value, each after its
    /// length. Nothing is read from where they are malformed.
    fn decode(mut bytes: &[u8]) -> Headers {
        let mut headers = Headers::default();
        while let Some(name) = field(&mut bytes) {
            match field(&mut bytes) {
                Some(value) => headers.add(name, value),
                None => break,
            }
        }
        headers
    }
}

fn field(bytes: &mut &[u8]) -> Option<String> {
    let len = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let text = bytes.get(4..)?.get(..len)?;
    *bytes = &bytes[4 + len..];
    Some(String::from_utf8_lossy(text).into_owned())
}

/// One message that the function is to handle.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Unique; names the call in logs.
    pub id: String,
    /// Concrete, never a wildcard.
    pub subject: String,
    pub headers: Headers,
    pub payload: Vec<u8>,
    /// When the function will be stopped.
    pub deadline: Option<SystemTime>,
}

/// The reply. It is sent if the sender of the message asked for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub payload: Vec<u8>,
    pub headers: Headers,
}

impl<T: Into<Vec<u8>>> From<T> for Reply {
    fn from(payload: T) -> Reply {
        Reply {
            payload: payload.into(),
            headers: Headers::default(),
        }
    }
}

/// Why a call failed, as its caller is told. Any error becomes one with status 500 by `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// 400 to 599, meant as in HTTP.
    pub status: u16,
    pub message: String,
}

impl Failure {
    pub fn new(status: u16, message: impl Into<String>) -> Failure {
        Failure {
            status,
            message: message.into(),
        }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::new(500, error.to_string())
    }
}

/// The level of a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug = -4,
    Info = 0,
    Warn = 4,
    Error = 8,
}

/// Writes to the function's log; a text may have several lines. What goes to standard error is logged
/// too, at level error, and a reactor's standard output, at level info.
pub fn log(level: Level, text: impl Display) {
    abi::log(level as i32, &text.to_string());
}

/// Handles the message that this command was started for. Call it in `main`.
pub fn run(handle: fn(Call) -> Result<Reply, Failure>) {
    std::process::exit(serve(handle));
}

/// Has the handler handle the message. It returns 0 if it did.
pub fn serve(handle: fn(Call) -> Result<Reply, Failure>) -> i32 {
    match handle(receive()) {
        Ok(reply) => {
            for (name, value) in &reply.headers.0 {
                abi::reply_header(name, value);
            }
            abi::reply(&reply.payload);
            0
        }
        Err(failure) => {
            abi::fail(failure.status, &failure.message);
            1
        }
    }
}

fn receive() -> Call {
    let deadline = match abi::deadline() {
        0 => None,
        ns => Some(UNIX_EPOCH + Duration::from_nanos(ns.max(0) as u64)),
    };
    Call {
        id: text(abi::id()),
        subject: text(abi::subject()),
        headers: Headers::decode(&abi::headers()),
        payload: abi::payload(),
        deadline,
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let wire = b"\x01\0\0\0a\x02\0\0\0bc\x01\0\0\0a\0\0\0\0";
        let headers = Headers::decode(wire);
        assert_eq!(headers.0, [("a".into(), "bc".into()), ("a".into(), "".into())]);
        assert_eq!(headers.get("a"), Some("bc"));
        assert_eq!(headers.get("b"), None);
        for cut in 0..wire.len() {
            assert!(Headers::decode(&wire[..cut]).0.len() < 2);
        }
        assert_eq!(Headers::decode(b"\xff\xff\xff\xff").0, []);
    }

    #[test]
    fn failures() {
        fn parse(text: &str) -> Result<i32, Failure> {
            Ok(text.parse::<i32>()?)
        }
        assert_eq!(parse("7"), Ok(7));
        assert_eq!(parse("x").unwrap_err().status, 500);
    }
}
