//! Every ability of the vectors reach and state that a dynamic module of Envoy
//! 1.40 may have: the header x-try of a request says which is tried.

use std::cell::Cell;
use std::ptr::{null, null_mut};
use std::slice::from_raw_parts;
use std::sync::atomic::{AtomicU8, Ordering};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Buffer {
    data: *const u8,
    size: usize,
}

#[repr(C)]
pub struct Field {
    name: Buffer,
    value: Buffer,
}

// The part of the ABI v0.2.0 that is tried.
extern "C" {
    fn envoy_dynamic_module_callback_http_get_header(filter: usize, side: i32, name: Buffer, value: *mut Buffer, index: usize, count: *mut usize) -> bool;
    fn envoy_dynamic_module_callback_http_set_header(filter: usize, side: i32, name: Buffer, value: Buffer) -> bool;
    fn envoy_dynamic_module_callback_http_get_body_size(filter: usize, of: i32) -> usize;
    fn envoy_dynamic_module_callback_http_get_body_chunks_size(filter: usize, of: i32) -> usize;
    fn envoy_dynamic_module_callback_http_get_body_chunks(filter: usize, of: i32, chunks: *mut Buffer) -> bool;
    fn envoy_dynamic_module_callback_http_drain_body(filter: usize, of: i32, size: usize) -> bool;
    fn envoy_dynamic_module_callback_http_append_body(filter: usize, of: i32, data: Buffer) -> bool;
    fn envoy_dynamic_module_callback_http_filter_get_attribute_string(filter: usize, id: i32, value: *mut Buffer) -> bool;
    fn envoy_dynamic_module_callback_http_send_response(filter: usize, status: u32, headers: *const Field, count: usize, body: Buffer, details: Buffer);
    fn envoy_dynamic_module_callback_http_filter_http_callout(filter: usize, id: *mut u64, cluster: Buffer, headers: *const Field, count: usize, body: Buffer, milliseconds: u64) -> i32;
    fn envoy_dynamic_module_callback_http_filter_continue_decoding(filter: usize);
    fn envoy_dynamic_module_callback_http_clear_route_cache(filter: usize);
}

const REQUEST: i32 = 0; // headers
const RESPONSE: i32 = 2;

const REQUEST_BODY: i32 = 0; // what has come; what is held is one more
const RESPONSE_BODY: i32 = 2;

const SOURCE_ADDRESS: i32 = 24;

const CONTINUE: i32 = 0;
const STOP: i32 = 1; // of a head; of a body: it is held
const STOP_ALL: i32 = 3;

const NONE: Buffer = Buffer { data: null(), size: 0 };

fn lent(bytes: &[u8]) -> Buffer {
    Buffer { data: bytes.as_ptr(), size: bytes.len() }
}

/// Safe where Envoy has written the buffer.
unsafe fn copied(b: Buffer) -> Vec<u8> {
    if b.data.is_null() {
        return Vec::new();
    }
    from_raw_parts(b.data, b.size).to_vec()
}

fn get(filter: usize, side: i32, name: &str) -> Vec<u8> {
    let mut value = NONE;
    unsafe {
        envoy_dynamic_module_callback_http_get_header(filter, side, lent(name.as_bytes()), &mut value, 0, null_mut());
        copied(value)
    }
}

fn set(filter: usize, side: i32, name: &str, value: &[u8]) {
    unsafe { envoy_dynamic_module_callback_http_set_header(filter, side, lent(name.as_bytes()), lent(value)) };
}

fn remove(filter: usize, side: i32, name: &str) {
    unsafe { envoy_dynamic_module_callback_http_set_header(filter, side, lent(name.as_bytes()), NONE) };
}

/// What is held of a body, and what has come.
fn body(filter: usize, of: i32) -> Vec<u8> {
    let mut all = Vec::new();
    for kind in [of + 1, of] {
        unsafe {
            let mut chunks = vec![NONE; envoy_dynamic_module_callback_http_get_body_chunks_size(filter, kind)];
            if !chunks.is_empty() && envoy_dynamic_module_callback_http_get_body_chunks(filter, kind, chunks.as_mut_ptr()) {
                chunks.into_iter().for_each(|c| all.extend(copied(c)));
            }
        }
    }
    all
}

fn replace(filter: usize, of: i32, text: &str) {
    unsafe {
        for kind in [of + 1, of] {
            let size = envoy_dynamic_module_callback_http_get_body_size(filter, kind);
            if size > 0 {
                envoy_dynamic_module_callback_http_drain_body(filter, kind, size);
            }
        }
        envoy_dynamic_module_callback_http_append_body(filter, of, lent(text.as_bytes()));
    }
}

fn clear_route(filter: usize) {
    unsafe { envoy_dynamic_module_callback_http_clear_route_cache(filter) };
}

/// One request: what is tried with it.
struct Request(String);

thread_local!(static WORKERS: Cell<u8> = Cell::new(0));
static EVERYONES: AtomicU8 = AtomicU8::new(0);
static PROXIES: AtomicU8 = AtomicU8::new(0);

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_program_init() -> *const u8 {
    b"v0.2.0\0".as_ptr()
}

static NOTHING: u8 = 0;

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_config_new(_: usize, _: Buffer, _: Buffer) -> *const u8 {
    &NOTHING
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_per_route_config_new(_: Buffer, _: Buffer) -> *const u8 {
    &NOTHING
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_new(_: usize, _: usize) -> *const u8 {
    Box::into_raw(Box::new(Request(String::new()))) as *const u8
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_destroy(request: *mut u8) {
    drop(unsafe { Box::from_raw(request as *mut Request) });
}

fn tried(request: *mut u8) -> &'static mut Request {
    unsafe { &mut *(request as *mut Request) }
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(filter: usize, request: *mut u8, _: bool) -> i32 {
    let r = tried(request);
    r.0 = String::from_utf8_lossy(&get(filter, REQUEST, "x-try")).into_owned();
    match &r.0[..] {
        "read-request-head" => set(filter, REQUEST, "x-read", &get(filter, REQUEST, "x-ask")),
        "read-request-body" => return STOP,
        "read-connection" => unsafe {
            let mut value = NONE;
            envoy_dynamic_module_callback_http_filter_get_attribute_string(filter, SOURCE_ADDRESS, &mut value);
            set(filter, REQUEST, "x-read", &copied(value));
        },
        "change-request-head" => set(filter, REQUEST, "x-ask", b"two"),
        "change-request-body" => {
            remove(filter, REQUEST, "content-length");
            return STOP;
        }
        "answer" => {
            unsafe { envoy_dynamic_module_callback_http_send_response(filter, 418, null(), 0, lent(b"tea"), lent(b"tried")) };
            return STOP;
        }
        "call" => {
            let field = |name: &'static str, value: &'static str| Field { name: lent(name.as_bytes()), value: lent(value.as_bytes()) };
            let head = [field(":method", "GET"), field(":path", "/"), field("host", "other")];
            let mut id = 0;
            unsafe { envoy_dynamic_module_callback_http_filter_http_callout(filter, &mut id, lent(b"other"), head.as_ptr(), head.len(), NONE, 5000) };
            return STOP_ALL;
        }
        "clear-route" => {
            set(filter, REQUEST, ":path", b"/elsewhere");
            clear_route(filter);
        }
        "choose-cluster" => {
            set(filter, REQUEST, "x-cluster", b"other");
            clear_route(filter);
        }
        _ => {}
    }
    CONTINUE
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_http_callout_done(filter: usize, _: *mut u8, _: u64, _: i32, _: *const Field, _: usize, chunks: *const Buffer, count: usize) {
    let mut all = Vec::new();
    if !chunks.is_null() {
        unsafe { from_raw_parts(chunks, count).iter().for_each(|c| all.extend(copied(*c))) };
    }
    set(filter, REQUEST, "x-read", &all);
    unsafe { envoy_dynamic_module_callback_http_filter_continue_decoding(filter) };
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_request_body(filter: usize, request: *mut u8, end: bool) -> i32 {
    match &tried(request).0[..] {
        "read-request-body" | "change-request-body" if !end => return STOP,
        "read-request-body" => set(filter, REQUEST, "x-read", &body(filter, REQUEST_BODY)),
        "change-request-body" => replace(filter, REQUEST_BODY, "HELLO"),
        _ => {}
    }
    CONTINUE
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(filter: usize, request: *mut u8, _: bool) -> i32 {
    let count = |n: u8| set(filter, RESPONSE, "x-read", &[b'0' + n + 1]);
    match &tried(request).0[..] {
        "read-response-head" => set(filter, RESPONSE, "x-read", &get(filter, RESPONSE, "x-origin")),
        "read-response-body" => return STOP,
        "change-response-head" => set(filter, RESPONSE, "x-origin", b"away"),
        "change-response-body" => {
            remove(filter, RESPONSE, "content-length");
            return STOP;
        }
        "per-worker" => count(WORKERS.with(|n| n.replace(n.get() + 1))),
        "across-workers" => count(EVERYONES.fetch_add(1, Ordering::SeqCst)),
        "across-proxies" => count(PROXIES.fetch_add(1, Ordering::SeqCst)),
        _ => {}
    }
    CONTINUE
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_response_body(filter: usize, request: *mut u8, end: bool) -> i32 {
    match &tried(request).0[..] {
        "read-response-body" | "change-response-body" if !end => return STOP,
        "read-response-body" => set(filter, RESPONSE, "x-read", &body(filter, RESPONSE_BODY)),
        "change-response-body" => replace(filter, RESPONSE_BODY, "WORLD"),
        _ => {}
    }
    CONTINUE
}

/// Hooks with nothing to do, which Envoy wants to be there.
macro_rules! idle {
    ($($hook:ident)*) => { $(#[no_mangle] pub extern "C" fn $hook() -> i32 { CONTINUE })* };
}

idle! {
    envoy_dynamic_module_on_http_filter_config_destroy
    envoy_dynamic_module_on_http_filter_per_route_config_destroy
    envoy_dynamic_module_on_http_filter_request_trailers
    envoy_dynamic_module_on_http_filter_response_trailers
    envoy_dynamic_module_on_http_filter_stream_complete
    envoy_dynamic_module_on_http_filter_scheduled
    envoy_dynamic_module_on_http_filter_http_stream_headers
    envoy_dynamic_module_on_http_filter_http_stream_data
    envoy_dynamic_module_on_http_filter_http_stream_trailers
    envoy_dynamic_module_on_http_filter_http_stream_complete
    envoy_dynamic_module_on_http_filter_http_stream_reset
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark
    envoy_dynamic_module_on_http_filter_local_reply
    envoy_dynamic_module_on_http_filter_config_scheduled
    envoy_dynamic_module_on_http_filter_config_http_callout_done
    envoy_dynamic_module_on_http_filter_config_http_stream_headers
    envoy_dynamic_module_on_http_filter_config_http_stream_data
    envoy_dynamic_module_on_http_filter_config_http_stream_trailers
    envoy_dynamic_module_on_http_filter_config_http_stream_complete
    envoy_dynamic_module_on_http_filter_config_http_stream_reset
}
