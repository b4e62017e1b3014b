//! A function for Nex as a WASI command: the message's subject is the first argument, its payload is
//! standard input, and what goes to standard output is the reply.
//!
//! ```text
//! rustup target add wasm32-wasip1
//! cargo build --release --target wasm32-wasip1 --manifest-path examples/wasm-rust/Cargo.toml
//! ```
//!
//! The function is target/wasm32-wasip1/release/echofunction.wasm beside Cargo.toml.

use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let subject = std::env::args().nth(1).unwrap_or_default();
    let mut payload = Vec::new();
    io::stdin().read_to_end(&mut payload)?;

    let mut reply = io::stdout().lock();
    reply.write_all(&payload)?;
    reply.write_all(subject.as_bytes())?;
    reply.flush()
}
