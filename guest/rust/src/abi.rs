//! The imports, safe to use; see README.md of the folder above.

#[cfg(target_family = "wasm")]
mod import {
    #[link(wasm_import_module = "nex")]
    extern "C" {
        pub fn subject(at: *mut u8, room: usize) -> usize;
        pub fn payload(at: *mut u8, room: usize) -> usize;
        pub fn headers(at: *mut u8, room: usize) -> usize;
        pub fn id(at: *mut u8, room: usize) -> usize;
        pub fn deadline() -> i64;
        pub fn reply(at: *const u8, len: usize);
        pub fn reply_header(name: *const u8, name_len: usize, value: *const u8, value_len: usize);
        pub fn fail(status: i32, at: *const u8, len: usize);
        pub fn log(level: i32, at: *const u8, len: usize);
        pub fn request(
            service: *const u8,
            service_len: usize,
            method: *const u8,
            method_len: usize,
            meta: *const u8,
            meta_len: usize,
            body: *const u8,
            body_len: usize,
        ) -> i32;
        pub fn response_meta(at: *mut u8, room: usize) -> usize;
        pub fn response_body(at: *mut u8, room: usize) -> usize;
    }
}

/// Outside of Nex there is no call, and what is logged goes to standard error.
#[cfg(not(target_family = "wasm"))]
#[allow(clippy::too_many_arguments)]
mod import {
    pub unsafe fn subject(_: *mut u8, _: usize) -> usize {
        0
    }
    pub unsafe fn payload(_: *mut u8, _: usize) -> usize {
        0
    }
    pub unsafe fn headers(_: *mut u8, _: usize) -> usize {
        0
    }
    pub unsafe fn id(_: *mut u8, _: usize) -> usize {
        0
    }
    pub unsafe fn deadline() -> i64 {
        0
    }
    pub unsafe fn reply(_: *const u8, _: usize) {}
    pub unsafe fn reply_header(_: *const u8, _: usize, _: *const u8, _: usize) {}
    pub unsafe fn fail(_: i32, at: *const u8, len: usize) {
        log(0, at, len)
    }
    pub unsafe fn log(_: i32, at: *const u8, len: usize) {
        let text = std::slice::from_raw_parts(at, len);
        eprintln!("{}", String::from_utf8_lossy(text));
    }
    pub unsafe fn request(
        _: *const u8,
        _: usize,
        _: *const u8,
        _: usize,
        _: *const u8,
        _: usize,
        _: *const u8,
        _: usize,
    ) -> i32 {
        1
    }
    pub unsafe fn response_meta(at: *mut u8, room: usize) -> usize {
        let answer = br#"{"code":"not_hosted","message":"the program is not run by Nex"}"#;
        std::ptr::copy_nonoverlapping(answer.as_ptr(), at, answer.len().min(room));
        answer.len()
    }
    pub unsafe fn response_body(_: *mut u8, _: usize) -> usize {
        0
    }
}

/// Reads something of a length that only the host knows: it asks with a guess first.
fn fetch(guess: usize, read: impl Fn(*mut u8, usize) -> usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(guess);
    loop {
        // The host writes at most as much as there is room for, and says how much there is.
        let len = read(bytes.as_mut_ptr(), bytes.capacity());
        if len <= bytes.capacity() {
            unsafe { bytes.set_len(len) };
            return bytes;
        }
        bytes = Vec::with_capacity(len);
    }
}

pub fn subject() -> Vec<u8> {
    fetch(128, |at, room| unsafe { import::subject(at, room) })
}

pub fn payload() -> Vec<u8> {
    fetch(512, |at, room| unsafe { import::payload(at, room) })
}

pub fn headers() -> Vec<u8> {
    fetch(0, |at, room| unsafe { import::headers(at, room) })
}

pub fn id() -> Vec<u8> {
    fetch(64, |at, room| unsafe { import::id(at, room) })
}

/// The deadline in nanoseconds since 1970; 0 if there is none.
pub fn deadline() -> i64 {
    unsafe { import::deadline() }
}

pub fn reply(bytes: &[u8]) {
    unsafe { import::reply(bytes.as_ptr(), bytes.len()) }
}

pub fn reply_header(name: &str, value: &str) {
    unsafe { import::reply_header(name.as_ptr(), name.len(), value.as_ptr(), value.len()) }
}

pub fn fail(status: u16, message: &str) {
    unsafe { import::fail(status.into(), message.as_ptr(), message.len()) }
}

pub fn log(level: i32, text: &str) {
    unsafe { import::log(level, text.as_ptr(), text.len()) }
}

/// Performs a request; what is answered, or else the error, is metadata and a body.
#[allow(clippy::type_complexity)]
pub fn request(
    service: &str,
    method: &str,
    meta: &[u8],
    body: &[u8],
) -> Result<(Vec<u8>, Vec<u8>), Vec<u8>> {
    let failed = unsafe {
        import::request(
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            meta.as_ptr(),
            meta.len(),
            body.as_ptr(),
            body.len(),
        )
    };
    let answer = fetch(256, |at, room| unsafe {
        import::response_meta(at, room)
    });
    if failed != 0 {
        return Err(answer);
    }
    let body = fetch(512, |at, room| unsafe { import::response_body(at, room) });
    Ok((answer, body))
}
