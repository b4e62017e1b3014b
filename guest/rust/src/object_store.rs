//! The function's object store bucket.

use crate::json::{Object, Value};
use crate::service::{ask, ask_for};
use crate::{Code, Error};

/// Describes an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// `SHA-256=` and base64url.
    pub digest: String,
    /// As in RFC 3339.
    pub modified: String,
}

impl ObjectInfo {
    fn decode(v: &Value) -> Option<ObjectInfo> {
        Some(ObjectInfo {
            name: v.get("name")?.text()?.to_string(),
            size: v.get("size")?.size()?,
            digest: v.get("digest")?.text()?.to_string(),
            modified: v.get("modified")?.text()?.to_string(),
        })
    }
}

fn meta(name: &str) -> Vec<u8> {
    Object::new().text("name", name).end()
}

/// Returns an object, `None` if there is none.
pub fn get(name: &str) -> Result<Option<(Vec<u8>, ObjectInfo)>, Error> {
    let read = |v: &Value, content| Some(Some((content, ObjectInfo::decode(v)?)));
    match ask_for("objectstore", "get", &meta(name), &[], read) {
        Err(e) if e.code == Code::NotFound => Ok(None),
        other => other,
    }
}

/// Stores an object.
pub fn put(name: &str, content: impl AsRef<[u8]>) -> Result<ObjectInfo, Error> {
    let read = |v: &Value, _| ObjectInfo::decode(v);
    ask_for("objectstore", "put", &meta(name), content.as_ref(), read)
}

/// Deletes an object.
pub fn delete(name: &str) -> Result<(), Error> {
    ask("objectstore", "delete", &meta(name), &[]).map(|_| ())
}

/// Lists the objects, sorted by name.
pub fn list() -> Result<Vec<ObjectInfo>, Error> {
    ask_for("objectstore", "list", &[], &[], |answer, _| {
        let objects = answer.get("objects")?.elements();
        objects.iter().map(ObjectInfo::decode).collect()
    })
}
