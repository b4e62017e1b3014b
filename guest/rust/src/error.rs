use crate::json::Value;
use std::fmt;

/// A stable, machine-readable class of failure of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// The request makes no sense: a bad key, subject, URL, method.
    Invalid,
    /// There is no such key or object.
    NotFound,
    /// The node does not allow it.
    Denied,
    /// A key, value, body, or the bucket would be larger than it may be.
    TooLarge,
    /// The function has too many requests under way.
    Busy,
    /// There was no answer in time.
    Timeout,
    /// Nobody listens on the subject.
    NoResponders,
    /// NATS, JetStream or the remote host could not be reached.
    Unavailable,
    /// The node failed.
    Internal,
    /// The program is not run by Nex.
    NotHosted,
    /// A code that this version of the crate does not know.
    Other(String),
}

impl Code {
    fn of(text: &str) -> Code {
        match text {
            "invalid" => Code::Invalid,
            "not_found" => Code::NotFound,
            "denied" => Code::Denied,
            "too_large" => Code::TooLarge,
            "busy" => Code::Busy,
            "timeout" => Code::Timeout,
            "no_responders" => Code::NoResponders,
            "unavailable" => Code::Unavailable,
            "internal" => Code::Internal,
            "not_hosted" => Code::NotHosted,
            other => Code::Other(other.to_string()),
        }
    }

    /// The code as it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Code::Invalid => "invalid",
            Code::NotFound => "not_found",
            Code::Denied => "denied",
            Code::TooLarge => "too_large",
            Code::Busy => "busy",
            Code::Timeout => "timeout",
            Code::NoResponders => "no_responders",
            Code::Unavailable => "unavailable",
            Code::Internal => "internal",
            Code::NotHosted => "not_hosted",
            Code::Other(text) => text,
        }
    }
}

/// A request to a service that failed. The message is one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub code: Code,
    pub message: String,
}

impl Error {
    pub(crate) fn malformed(service: &str, method: &str) -> Error {
        Error {
            code: Code::Internal,
            message: format!("the node's answer to {service}.{method} is malformed"),
        }
    }

    /// Reads the metadata of an answer that is an error.
    pub(crate) fn decode(meta: &[u8], service: &str, method: &str) -> Error {
        let decoded = Value::parse(meta).and_then(|v| {
            Some(Error {
                code: Code::of(v.get("code")?.text()?),
                message: v.get("message")?.text()?.to_string(),
            })
        });
        decoded.unwrap_or_else(|| Error::malformed(service, method))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for code in ["invalid", "not_found", "denied", "no_responders", "something new"] {
            assert_eq!(Code::of(code).as_str(), code);
        }
        let e = Error::decode(br#"{"code":"busy","message":"wait"}"#, "kv", "get");
        assert_eq!((e.code, e.message.as_str()), (Code::Busy, "wait"));
        assert_eq!(Error::decode(b"{}", "kv", "get").code, Code::Internal);
    }
}
