//! The module's memory: small blocks of a few sizes, each kept for the next
//! request that wants one of its size.
//!
//! A filter takes and gives back the same few small blocks for every request,
//! for itself and for the host, which asks it for memory to hand values over.
//! A list for each power of two serves them in a few instructions; larger
//! blocks, and those that fill the lists, are the standard library's. This file
//! is the same in every filter of ours, so that none differs from another by it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr::{copy_nonoverlapping, null_mut};

const SMALLEST: usize = 16; // and the alignment of all
const CLASSES: usize = 7; // up to 1,024 bytes
const LENT: usize = 2048;

/// What a host that knows tare_lend puts values into instead of asking for
/// memory one by one: it may use all of it anew for each request. Blocks in it
/// are given back without effect.
#[repr(align(16))]
struct Lent(UnsafeCell<[u8; LENT]>);

// Safe: a module has one thread.
unsafe impl Sync for Lent {}

static AREA: Lent = Lent(UnsafeCell::new([0; LENT]));

/// Its address and, in the upper half, its size.
#[cfg_attr(target_arch = "wasm32", no_mangle)]
pub extern "C" fn tare_lend() -> u64 {
    (LENT as u64) << 32 | AREA.0.get() as usize as u64 & 0xffff_ffff
}

fn lent(block: *mut u8) -> bool {
    (block as usize).wrapping_sub(AREA.0.get() as usize) < LENT
}

pub struct Blocks {
    free: UnsafeCell<[*mut u8; CLASSES]>, // each begins with the address of the next
}

// Safe: a module has one thread.
unsafe impl Sync for Blocks {}

impl Blocks {
    pub const fn new() -> Blocks {
        Blocks { free: UnsafeCell::new([null_mut(); CLASSES]) }
    }
}

/// The list that serves a layout; None: the standard library does.
fn class(l: Layout) -> Option<usize> {
    if l.size() > SMALLEST << (CLASSES - 1) || l.align() > SMALLEST {
        return None;
    }
    Some((l.size().max(SMALLEST).next_power_of_two() / SMALLEST).trailing_zeros() as usize)
}

// Safe: a block is on a list, or given out, or the standard library's; it has
// the size of its class, and the class follows from the layout alone.
unsafe impl GlobalAlloc for Blocks {
    unsafe fn alloc(&self, l: Layout) -> *mut u8 {
        let class = match class(l) {
            Some(c) => c,
            None => return System.alloc(l),
        };
        let free = &mut (*self.free.get())[class];
        let block = *free;
        if block.is_null() {
            return System.alloc(Layout::from_size_align_unchecked(SMALLEST << class, SMALLEST));
        }
        *free = *(block as *mut *mut u8);
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, l: Layout) {
        if lent(block) {
            return;
        }
        let class = match class(l) {
            Some(c) => c,
            None => return System.dealloc(block, l),
        };
        let free = &mut (*self.free.get())[class];
        *(block as *mut *mut u8) = *free;
        *free = block;
    }

    unsafe fn realloc(&self, block: *mut u8, l: Layout, size: usize) -> *mut u8 {
        let new = Layout::from_size_align_unchecked(size, l.align());
        match (class(l), class(new)) {
            _ if lent(block) => {}
            (Some(a), Some(b)) if a == b => return block,
            (None, None) => return System.realloc(block, l, size),
            _ => {}
        }
        let moved = self.alloc(new);
        if !moved.is_null() {
            copy_nonoverlapping(block, moved, l.size().min(size));
            self.dealloc(block, l);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of all sizes, taken, changed in size and given back in a random
    /// order, never overlap and keep what is in them.
    #[test]
    fn blocks_keep_what_is_in_them() {
        let blocks = Blocks::new();
        let mut held: Vec<(*mut u8, Layout, u8)> = Vec::new();
        let mut random = 88172645463325252u64;
        let mut next = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below as u64) as usize
        };
        for round in 0..20_000 {
            let size = 1 + next(if round % 7 == 0 { 3000 } else { 200 });
            let mark = round as u8;
            if held.len() < 50 || next(2) == 0 {
                let l = Layout::from_size_align(size, 1 << next(6)).unwrap();
                let p = unsafe { blocks.alloc(l) };
                assert!(!p.is_null() && p as usize % l.align() == 0);
                unsafe { p.write_bytes(mark, size) };
                held.push((p, l, mark));
                continue;
            }
            let (p, l, mark) = held.swap_remove(next(held.len()));
            let all = unsafe { std::slice::from_raw_parts(p, l.size()) };
            assert!(all.iter().all(|&b| b == mark), "a block of {} bytes has changed", l.size());
            if next(3) > 0 {
                unsafe { blocks.dealloc(p, l) };
                continue;
            }
            let q = unsafe { blocks.realloc(p, l, size) };
            let kept = unsafe { std::slice::from_raw_parts(q, l.size().min(size)) };
            assert!(kept.iter().all(|&b| b == mark), "a block was moved without what is in it");
            unsafe { q.write_bytes(mark, size) };
            held.push((q, Layout::from_size_align(size, l.align()).unwrap(), mark));
        }
        for (p, l, _) in held {
            unsafe { blocks.dealloc(p, l) };
        }
    }
}
