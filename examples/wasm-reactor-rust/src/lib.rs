//! A function for Nex that counts in its key-value bucket how often it has been called on each subject.
//! A message "reset" on a subject begins anew.
//!
//! ```text
//! rustup target add wasm32-wasip1
//! cargo build --release --target wasm32-wasip1 --manifest-path examples/wasm-reactor-rust/Cargo.toml
//! ```
//!
//! The function is target/wasm32-wasip1/release/counterfunction.wasm beside Cargo.toml.

use nex_guest::{kv, log, Call, Failure, Level, Reply};

nex_guest::handler!(count);

fn count(call: Call) -> Result<Reply, Failure> {
    let mut calls = 0u64;
    if call.payload != b"reset" {
        if let Some(value) = kv::get(&call.subject)? {
            let text = String::from_utf8_lossy(&value);
            let not_a_count = |_| Failure::new(409, format!("the key {} is not a count", call.subject));
            calls = text.parse().map_err(not_a_count)?;
        }
    }
    calls += 1;
    kv::set(&call.subject, calls.to_string())?;
    log(Level::Info, format_args!("call {calls} on {}", call.subject));

    let mut reply = Reply::from(calls.to_string());
    reply.headers.add("Count-Of", call.subject);
    Ok(reply)
}
