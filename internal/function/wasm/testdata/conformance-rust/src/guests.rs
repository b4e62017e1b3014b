//! The guests of the conformance suite. The variable NEX_GUEST says which of them it is.

use nex_guest::{kv, log, Call, Failure, Level, Reply};
use std::sync::atomic::{AtomicU64, Ordering};

static CALLS: AtomicU64 = AtomicU64::new(0);

pub fn handle(call: Call) -> Result<Reply, Failure> {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    let name = std::env::var("NEX_GUEST")?;
    match name.as_str() {
        "fail" | "throw" | "endless" | "grab" if call.payload != b"well" => harm(&name),
        "fail" | "throw" | "endless" | "grab" | "echo" => Ok(call.payload.into()),
        "subject" => Ok(call.subject.into()),
        "headers" => Ok(Reply {
            headers: call.headers,
            ..Reply::default()
        }),
        "env" => Ok(std::env::var("NEX_TEST").unwrap_or_default().into()),
        "large" => Ok(vec![b'x'; text(&call)?.parse()?].into()),
        "log" => {
            log(Level::Info, text(&call)?);
            eprintln!("{}", text(&call)?);
            Ok(Reply::default())
        }
        "state" => Ok(calls.to_string().into()),
        "host" => {
            kv::set("answer", &call.payload)?;
            Ok(kv::get("answer")?.unwrap_or_default().into())
        }
        "await_host" => Ok(kv::get(&text(&call)?)?.unwrap_or_default().into()),
        "host_error" => match kv::get(&text(&call)?)? {
            None => Ok("not_found".into()),
            Some(_) => Err(Failure::new(500, "there is such a key")),
        },
        _ => Err(Failure::new(500, format!("there is no guest {name}"))),
    }
}

fn text(call: &Call) -> Result<String, Failure> {
    Ok(String::from_utf8(call.payload.clone())?)
}

fn harm(name: &str) -> Result<Reply, Failure> {
    match name {
        "fail" => return Err(Failure::new(404, "no such thing")),
        "throw" => panic!("thrown"),
        "endless" => {
            eprintln!("begun");
            loop {
                CALLS.fetch_add(1, Ordering::Relaxed);
            }
        }
        _ => {}
    }
    let mut kept = Vec::new();
    loop {
        kept.push(vec![1u8; 1 << 20]);
    }
}
