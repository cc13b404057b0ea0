//! What the filter asks of its host for a request, over bytes: headers and
//! names of users need not be UTF-8, which the SDK's own functions demand.

use crate::bucket::{Failure, Host, Written, ABSENT};
use std::ptr::null_mut;

mod abi {
    extern "C" {
        pub fn proxy_get_header_map_value(map: u32, name: *const u8, name_size: usize, value: *mut *mut u8, value_size: *mut usize) -> u32;
        pub fn proxy_add_header_map_value(map: u32, name: *const u8, name_size: usize, value: *const u8, value_size: usize) -> u32;
        pub fn proxy_get_shared_data(key: *const u8, key_size: usize, value: *mut *mut u8, value_size: *mut usize, cas: *mut u32) -> u32;
        pub fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32) -> u32;
        pub fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    }
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const CAS_MISMATCH: u32 = 8;
const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;

/// Takes over what the host wrote into memory that it asked us for.
fn owned(data: *mut u8, size: usize) -> Option<Vec<u8>> {
    if data.is_null() {
        return None;
    }
    // Safe: the host got data from proxy_on_memory_allocate, for size bytes.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// The value of a request header.
pub fn request_header(name: &str) -> Option<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    // Safe: all pointers outlive the call.
    let status = unsafe { abi::proxy_get_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len(), &mut data, &mut size) };
    if status != OK {
        return None;
    }
    owned(data, size)
}

/// Adds a header to the response.
pub fn add_response_header(name: &str, value: &[u8]) {
    // Safe: all pointers outlive the call. A response that takes no header any
    // more goes without.
    unsafe { abi::proxy_add_header_map_value(RESPONSE_HEADERS, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// The host's shared data and clock.
pub struct Proxy;

impl Host for Proxy {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Failure> {
        let (mut data, mut size, mut cas) = (null_mut(), 0, 0);
        // Safe: all pointers outlive the call.
        match unsafe { abi::proxy_get_shared_data(key.as_ptr(), key.len(), &mut data, &mut size, &mut cas) } {
            OK => Ok(Some((owned(data, size).unwrap_or_default(), cas))),
            NOT_FOUND => Ok(None),
            status => Err(Failure(status)),
        }
    }

    fn set(&self, key: &[u8], value: &[u8], stamp: u32) -> Result<Written, Failure> {
        let stamp = mutated(stamp);
        // Safe: all pointers outlive the call.
        match unsafe { abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), stamp) } {
            OK => Ok(Written::Yes),
            CAS_MISMATCH => Ok(Written::Changed),
            status => Err(Failure(status)),
        }
    }

    fn now(&self) -> u64 {
        let mut time = 0;
        // Safe: the pointer outlives the call.
        unsafe { abi::proxy_get_current_time_nanoseconds(&mut time) };
        time
    }
}

/// The stamp, but for the mutants of the tests (Cargo.toml).
fn mutated(stamp: u32) -> u32 {
    if cfg!(feature = "mutant-no-cas") || cfg!(feature = "mutant-no-create") && stamp == ABSENT {
        return 0;
    }
    stamp
}
