//! A dynamic module of Envoy 1.40: the part of the ABI v0.2.0 that our filters
//! use, and the hooks that Envoy wants to be there.
//!
//! The crate gives `Filter`, with `new`, `request` and `response`, and `Stream`,
//! which is one request's. Objects of Envoy's are numbers here. This file is the
//! same in every filter of ours, so that none differs from another by it.

use crate::dynmod::{Filter, Stream};
use std::ptr::{null, null_mut};
use std::slice::from_raw_parts;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Buffer {
    data: *const u8,
    size: usize,
}

impl Buffer {
    const NONE: Buffer = Buffer { data: null(), size: 0 };

    /// Bytes for one call.
    fn lent(bytes: &[u8]) -> Buffer {
        Buffer { data: bytes.as_ptr(), size: bytes.len() }
    }

    /// A header's value. An empty one is none to Envoy, which then removes the
    /// header; a space is not a part of a value (RFC 9110 5.5), and HTTP/1.1
    /// drops it.
    fn given(value: &[u8]) -> Buffer {
        Buffer::lent(if value.is_empty() { b" " } else { value })
    }

    /// What Envoy lends for the time of a call.
    ///
    /// Safe where Envoy, or nobody, has written the buffer.
    unsafe fn copied(self) -> Vec<u8> {
        if self.data.is_null() {
            return Vec::new();
        }
        from_raw_parts(self.data, self.size).to_vec()
    }
}

#[repr(C)]
struct Field {
    name: Buffer,
    value: Buffer,
}

extern "C" {
    fn envoy_dynamic_module_callback_http_get_header(filter: usize, side: i32, name: Buffer, value: *mut Buffer, index: usize, count: *mut usize) -> bool;
    fn envoy_dynamic_module_callback_http_set_header(filter: usize, side: i32, name: Buffer, value: Buffer) -> bool;
    fn envoy_dynamic_module_callback_http_add_header(filter: usize, side: i32, name: Buffer, value: Buffer) -> bool;
    fn envoy_dynamic_module_callback_http_send_response(filter: usize, status: u32, headers: *const Field, count: usize, body: Buffer, details: Buffer);
    fn envoy_dynamic_module_callback_http_clear_route_cache(filter: usize);
    fn envoy_dynamic_module_callback_log(level: i32, text: Buffer);
}

const ERROR: i32 = 4;
const CONTINUE: i32 = 0;
const STOP: i32 = 1;

/// Whose headers.
#[derive(Clone, Copy)]
#[allow(dead_code)]
pub enum Side {
    Request = 0,
    Response = 2,
}

/// Envoy, for one request.
pub struct Host(usize);

// Safe, all of them: what is lent outlives the call, and Envoy calls our hooks
// with a filter that is there.
#[allow(dead_code)]
impl Host {
    /// All copies of a request header.
    pub fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let (mut all, mut count, mut i) = (Vec::new(), 1, 0);
        while i < count {
            let mut value = Buffer::NONE;
            let found = unsafe {
                envoy_dynamic_module_callback_http_get_header(self.0, Side::Request as i32, Buffer::lent(name.as_bytes()), &mut value, i, &mut count)
            };
            if !found {
                break;
            }
            all.push(unsafe { value.copied() });
            i += 1;
        }
        all
    }

    /// The first copy of a request header.
    pub fn value(&self, name: &str) -> Option<Vec<u8>> {
        let mut value = Buffer::NONE;
        let found = unsafe {
            envoy_dynamic_module_callback_http_get_header(self.0, Side::Request as i32, Buffer::lent(name.as_bytes()), &mut value, 0, null_mut())
        };
        if found {
            Some(unsafe { value.copied() })
        } else {
            None
        }
    }

    pub fn set(&self, side: Side, name: &[u8], value: &[u8]) {
        unsafe { envoy_dynamic_module_callback_http_set_header(self.0, side as i32, Buffer::lent(name), Buffer::given(value)) };
    }

    pub fn add(&self, side: Side, name: &[u8], value: &[u8]) {
        unsafe { envoy_dynamic_module_callback_http_add_header(self.0, side as i32, Buffer::lent(name), Buffer::given(value)) };
    }

    pub fn remove(&self, side: Side, name: &[u8]) {
        unsafe { envoy_dynamic_module_callback_http_set_header(self.0, side as i32, Buffer::lent(name), Buffer::NONE) };
    }

    pub fn reply(&self, status: u32, headers: &[(&str, String)], body: &str) {
        let fields: Vec<Field> =
            headers.iter().map(|(n, v)| Field { name: Buffer::lent(n.as_bytes()), value: Buffer::lent(v.as_bytes()) }).collect();
        unsafe {
            envoy_dynamic_module_callback_http_send_response(self.0, status, fields.as_ptr(), fields.len(), Buffer::lent(body.as_bytes()), Buffer::lent(b"tare"))
        };
    }

    pub fn clear_route(&self) {
        unsafe { envoy_dynamic_module_callback_http_clear_route_cache(self.0) };
    }
}

/// One request: the filter lives as long as its configuration, which Envoy
/// keeps until the last request of it is over.
struct Request {
    filter: *const Filter,
    stream: Stream,
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_program_init() -> *const u8 {
    b"v0.2.0\0".as_ptr()
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_config_new(_: usize, _: Buffer, config: Buffer) -> *const Filter {
    match Filter::new(&unsafe { config.copied() }) {
        Ok(filter) => Box::into_raw(Box::new(filter)),
        Err(why) => {
            unsafe { envoy_dynamic_module_callback_log(ERROR, Buffer::lent(format!("tare: configuration: {}", why).as_bytes())) };
            null()
        }
    }
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(filter: *mut Filter) {
    drop(unsafe { Box::from_raw(filter) });
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_new(filter: *const Filter, _: usize) -> *const u8 {
    Box::into_raw(Box::new(Request { filter, stream: Stream::default() })) as *const u8
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_destroy(request: *mut u8) {
    drop(unsafe { Box::from_raw(request as *mut Request) });
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(envoy: usize, request: *mut u8, _: bool) -> i32 {
    let r = unsafe { &mut *(request as *mut Request) };
    if unsafe { &*r.filter }.request(&mut r.stream, &Host(envoy)) {
        CONTINUE
    } else {
        STOP
    }
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(envoy: usize, request: *mut u8, _: bool) -> i32 {
    let r = unsafe { &mut *(request as *mut Request) };
    unsafe { &*r.filter }.response(&mut r.stream, &Host(envoy));
    CONTINUE
}

static ROUTE: u8 = 0;

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_http_filter_per_route_config_new(_: Buffer, _: Buffer) -> *const u8 {
    &ROUTE
}

/// Hooks with nothing to do: bodies and trailers go on, calls and streams of our
/// own there are none. What they are given stays unread.
macro_rules! idle {
    ($($hook:ident)*) => { $(#[no_mangle] pub extern "C" fn $hook() -> i32 { CONTINUE })* };
}

idle! {
    envoy_dynamic_module_on_http_filter_per_route_config_destroy
    envoy_dynamic_module_on_http_filter_request_body
    envoy_dynamic_module_on_http_filter_request_trailers
    envoy_dynamic_module_on_http_filter_response_body
    envoy_dynamic_module_on_http_filter_response_trailers
    envoy_dynamic_module_on_http_filter_stream_complete
    envoy_dynamic_module_on_http_filter_scheduled
    envoy_dynamic_module_on_http_filter_http_callout_done
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
