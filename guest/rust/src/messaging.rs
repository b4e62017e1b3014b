//! NATS messages.

use crate::json::{Object, Value};
use crate::service::{ask, ask_for};
use crate::{Error, Headers};
use std::time::Duration;

/// A message to send, or an answer to one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub subject: String,
    pub headers: Headers,
    pub payload: Vec<u8>,
}

impl Message {
    pub fn new(subject: impl Into<String>, payload: impl Into<Vec<u8>>) -> Message {
        Message {
            subject: subject.into(),
            headers: Headers::default(),
            payload: payload.into(),
        }
    }

    fn meta(&self, timeout: Option<Duration>) -> Object {
        Object::new()
            .text("subject", &self.subject)
            .headers("headers", &self.headers)
            .number("timeout_ms", milliseconds(timeout))
    }

    fn decode(v: &Value, payload: Vec<u8>) -> Option<Message> {
        Some(Message {
            subject: v.get("subject")?.text()?.to_string(),
            headers: v.get("headers").map(Value::headers).unwrap_or_default(),
            payload,
        })
    }
}

/// When [`request_many`] has enough answers: with the first condition that is met, or when the timeout
/// has passed.
#[derive(Clone, Debug, Default)]
pub struct Many {
    /// Of the whole; `None` takes the node's default.
    pub timeout: Option<Duration>,
    /// After so many; 0 means no such bound.
    pub max_messages: u32,
    /// When after an answer none comes for so long.
    pub stall: Option<Duration>,
    /// At an answer without payload and headers, which is left out.
    pub sentinel: bool,
}

/// Rounds up: what is not zero stays so.
pub(crate) fn milliseconds(d: Option<Duration>) -> u64 {
    let ns = d.unwrap_or_default().as_nanos();
    ((ns + 999_999) / 1_000_000).min(i32::MAX as u128) as u64
}

/// Sends a message.
pub fn publish(message: &Message) -> Result<(), Error> {
    ask("messaging", "publish", &message.meta(None).end(), &message.payload).map(|_| ())
}

/// Sends a message and waits for the answer; a timeout of `None` takes the node's default. When nobody
/// listens the error's code is [`crate::Code::NoResponders`].
pub fn request(message: &Message, timeout: Option<Duration>) -> Result<Message, Error> {
    let meta = message.meta(timeout).end();
    ask_for("messaging", "request", &meta, &message.payload, Message::decode)
}

/// Sends a message and collects answers.
pub fn request_many(message: &Message, many: &Many) -> Result<Vec<Message>, Error> {
    let meta = message
        .meta(many.timeout)
        .number("max_messages", many.max_messages.into())
        .number("stall_ms", milliseconds(many.stall))
        .truth("sentinel", many.sentinel)
        .end();
    ask_for("messaging", "request_many", &meta, &message.payload, split)
}

/// Cuts the answers' payloads apart.
fn split(answer: &Value, payloads: Vec<u8>) -> Option<Vec<Message>> {
    let mut rest = &payloads[..];
    let mut messages = Vec::new();
    for m in answer.get("messages")?.elements() {
        let size = m.get("size")?.size()? as usize;
        let payload = rest.get(..size)?.to_vec();
        rest = &rest[size..];
        messages.push(Message::decode(m, payload)?);
    }
    Some(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits() {
        let answer = br#"{"messages":[{"subject":"a","size":2},{"subject":"b","size":0},{"subject":"c","headers":{"n":["1"]},"size":1}]}"#;
        let answer = Value::parse(answer).unwrap();
        let messages = split(&answer, b"xyz".to_vec()).unwrap();
        let payloads: Vec<_> = messages.iter().map(|m| &m.payload[..]).collect();
        assert_eq!(payloads, [&b"xy"[..], b"", b"z"]);
        assert_eq!(messages[2].headers.get("n"), Some("1"));
        assert_eq!(split(&answer, b"xy".to_vec()), None);
    }

    #[test]
    fn rounds_up() {
        assert_eq!(milliseconds(None), 0);
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Duration::from_millis(7))), 7);
    }
}
