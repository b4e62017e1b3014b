use crate::json::Value;
use crate::{abi, Error};

/// Performs a request and returns the answer's metadata and body.
pub fn ask(service: &str, method: &str, meta: &[u8], body: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
    abi::request(service, method, meta, body).map_err(|e| Error::decode(&e, service, method))
}

/// Performs a request whose answer has metadata, which is read with the function.
pub fn ask_for<T>(
    service: &str,
    method: &str,
    meta: &[u8],
    body: &[u8],
    read: impl Fn(&Value, Vec<u8>) -> Option<T>,
) -> Result<T, Error> {
    let (meta, body) = ask(service, method, meta, body)?;
    let answer = Value::parse(&meta).and_then(|v| read(&v, body));
    answer.ok_or_else(|| Error::malformed(service, method))
}
