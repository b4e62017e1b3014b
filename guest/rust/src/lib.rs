//! For functions that Nex runs as WebAssembly: hands them the calls and asks the node for services.
//!
//! A reactor is the fast kind of function. It is loaded once, and its handler is called for each
//! message:
//!
//! ```
//! use nex_guest::{Call, Failure, Reply};
//!
//! nex_guest::handler!(handle);
//!
//! fn handle(call: Call) -> Result<Reply, Failure> {
//!     Ok(Reply::from(call.payload))
//! }
//! # fn main() {}
//! ```
//!
//! It is a library with `crate-type = ["cdylib"]`, built with `cargo build --release --target
//! wasm32-wasip1` (`wasm32-wasi` before Rust 1.78).
//!
//! A command is a program that runs once for each message, without anything left of the one before. It
//! finds the subject in its first argument and the payload in standard input, and what it writes to
//! standard output is the reply. Or it calls [`run`] in `main` with the same kind of handler.
//!
//! The services are [`kv`], [`object_store`], [`messaging`] and [`http`]. They wait for the answer; what
//! the node refuses is an [`Error`] with a [`Code`]. A function has nothing else: no files and no network.
//!
//! Outside of Nex everything compiles and services fail with [`Code::NotHosted`].

mod abi;
mod call;
mod error;
pub mod http;
mod json;
pub mod kv;
pub mod messaging;
pub mod object_store;
mod service;

pub use call::{log, run, Call, Failure, Headers, Level, Reply};
pub use error::{Code, Error};

#[doc(hidden)]
pub use call::serve;

/// Makes a function the handler of a reactor: `fn(Call) -> Result<Reply, Failure>`. It has no place in a
/// command, whose library would not be initialized.
#[macro_export]
macro_rules! handler {
    ($handle:path) => {
        #[no_mangle]
        pub extern "C" fn _initialize() {
            // That this is called here, once, keeps the linker from having each export call it.
            #[cfg(target_os = "wasi")]
            {
                extern "C" {
                    fn __wasm_call_ctors();
                }
                unsafe { __wasm_call_ctors() }
            }
        }

        #[no_mangle]
        pub extern "C" fn nex_handle() -> i32 {
            $crate::serve($handle)
        }
    };
}
