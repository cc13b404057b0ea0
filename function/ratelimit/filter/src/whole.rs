//! Requests taken whole: where the host knows how (docs/formats/proxy-wasm.md),
//! one call of the module stands for a request's context and all of its hooks.
//!
//! The host has put down what the filter wants to know of the request in the
//! memory that the module lends, and adds to the response what the filter
//! leaves for it. Every other host calls the hooks instead, and never these
//! functions. The crate gives `Taker`. This file is the same in every filter of
//! ours that can do so, so that none differs from another by it.

use crate::memory::tare_lend;
use crate::Taker;
use std::cell::UnsafeCell;

/// What may be had of a request.
#[allow(dead_code)]
pub enum Want {
    Header(Vec<u8>),
    Property(Vec<u8>), // a path, its parts joined by NUL
}

/// What is to become of a request.
#[allow(dead_code)]
pub enum Taken {
    Whole,   // it goes on, unless it was answered; its hooks are not called
    AsUsual, // its hooks are called
}

/// What the host has put down for the request at hand.
pub struct Given(());

/// A time, and an address and a size for each thing that is wanted.
#[repr(C)]
struct Entry {
    data: *const u8,
    size: usize,
}

#[allow(dead_code)]
impl Given {
    fn area(&self) -> *const u8 {
        tare_lend() as u32 as usize as *const u8
    }

    /// The value of a thing, by its place among what is wanted; empty: it is
    /// not there, or empty.
    pub fn value(&self, place: usize) -> &[u8] {
        // Safe: the host has filled an entry for each thing that is wanted.
        unsafe {
            let e = &*(self.area().add(8) as *const Entry).add(place);
            if e.data.is_null() {
                return &[];
            }
            std::slice::from_raw_parts(e.data, e.size)
        }
    }

    /// The time when shared data was read last, in nanoseconds since 1970.
    pub fn time(&self) -> u64 {
        // Safe: the area begins with it. The host writes it while we wait for
        // it, which the compiler cannot know.
        unsafe { (self.area() as *const u64).read_volatile() }
    }
}

const MOST: usize = 8; // headers
const ROOM: usize = 256; // for their values

#[repr(C)]
#[derive(Clone, Copy)]
struct Field {
    name: *const u8,
    name_size: usize,
    value: *const u8,
    value_size: usize,
}

/// Headers for the response, as the host reads them.
#[repr(C)]
pub struct Additions {
    count: u32,
    fields: [Field; MOST],
    used: usize,
    room: [u8; ROOM],
}

#[allow(dead_code)]
impl Additions {
    /// Leaves a header; false: there is no room for it.
    pub fn leave(&mut self, name: &'static str, value: &[u8]) -> bool {
        let to = match self.room.get_mut(self.used..self.used + value.len()) {
            Some(to) if (self.count as usize) < MOST => to,
            _ => return false,
        };
        copy(to, value);
        self.fields[self.count as usize] = Field { name: name.as_ptr(), name_size: name.len(), value: to.as_ptr(), value_size: value.len() };
        self.count += 1;
        self.used += value.len();
        true
    }
}

/// Copies a piece to one of the same length; up to 16 bytes without a call, in
/// words that overlap. (A loop over bytes becomes a call.)
#[allow(dead_code)]
pub fn copy(to: &mut [u8], from: &[u8]) {
    match from.len() {
        n if n != to.len() => {}
        0 => {}
        n @ 1..=3 => {
            let (first, middle, last) = (from[0], from[n / 2], from[n - 1]);
            to[0] = first;
            to[n / 2] = middle;
            to[n - 1] = last;
        }
        n @ 4..=7 => {
            let (first, last) = (piece::<4>(from, 0), piece::<4>(from, n - 4));
            to[..4].copy_from_slice(&first);
            to[n - 4..].copy_from_slice(&last);
        }
        n @ 8..=16 => {
            let (first, last) = (piece::<8>(from, 0), piece::<8>(from, n - 8));
            to[..8].copy_from_slice(&first);
            to[n - 8..].copy_from_slice(&last);
        }
        _ => to.copy_from_slice(from),
    }
}

fn piece<const N: usize>(b: &[u8], at: usize) -> [u8; N] {
    let mut p = [0; N];
    p.copy_from_slice(&b[at..at + N]);
    p
}

struct Left(UnsafeCell<Additions>);

// Safe: a module has one thread.
unsafe impl Sync for Left {}

const NO_FIELD: Field = Field { name: std::ptr::null(), name_size: 0, value: std::ptr::null(), value_size: 0 };

static LEFT: Left = Left(UnsafeCell::new(Additions { count: 0, fields: [NO_FIELD; MOST], used: 0, room: [0; ROOM] }));

const NOTHING: u32 = 0;
const AS_USUAL: u32 = u32::MAX;

/// Says once what the filter wants to know: a count, and kind, address and size
/// of each name.
#[no_mangle]
pub extern "C" fn tare_wants() -> *const u32 {
    let wants = Taker::wants();
    let mut list = vec![wants.len() as u32];
    for w in wants {
        let (kind, name) = match w {
            Want::Header(name) => (0, name),
            Want::Property(path) => (1, path),
        };
        let name = name.leak();
        list.extend([kind, name.as_ptr() as usize as u32, name.len() as u32]);
    }
    list.leak().as_ptr()
}

/// Takes a request; says where the headers are that its response is to have.
#[no_mangle]
pub extern "C" fn tare_on_request(_context: u32, _end: u32) -> u32 {
    // Safe: a module has one thread, and this function does not call itself.
    let left = unsafe { &mut *LEFT.0.get() };
    left.count = 0;
    left.used = 0;
    match Taker::request(&Given(()), left) {
        Taken::AsUsual => AS_USUAL,
        Taken::Whole if left.count == 0 => NOTHING,
        Taken::Whole => left as *const Additions as usize as u32,
    }
}
