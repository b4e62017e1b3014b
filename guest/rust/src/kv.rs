//! The function's key-value bucket.

use crate::json::Object;
use crate::service::{ask, ask_for};
use crate::{Code, Error};

fn meta(key: &str) -> Vec<u8> {
    Object::new().text("key", key).end()
}

/// Returns a key's value, `None` if there is none.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    match ask("kv", "get", &meta(key), &[]) {
        Ok((_, value)) => Ok(Some(value)),
        Err(e) if e.code == Code::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Sets a key's value.
pub fn set(key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
    ask("kv", "set", &meta(key), value.as_ref()).map(|_| ())
}

/// Deletes a key.
pub fn delete(key: &str) -> Result<(), Error> {
    ask("kv", "delete", &meta(key), &[]).map(|_| ())
}

/// Lists the keys, sorted.
pub fn keys() -> Result<Vec<String>, Error> {
    ask_for("kv", "keys", &[], &[], |answer, _| {
        let keys = answer.get("keys")?.elements();
        keys.iter().map(|k| k.text().map(str::to_string)).collect()
    })
}
