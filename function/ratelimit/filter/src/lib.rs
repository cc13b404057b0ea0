//! The rate limit as a proxy-wasm filter: a token bucket per path, user and
//! subscription, by the same rules and with the same answers as the other
//! forms of function/ratelimit.
//!
//! Buckets are in the host's shared data, an entry each, so that all workers
//! of a proxy draw from the same ones; every change is a compare-and-swap
//! (bucket.rs). A request costs a look at its path and, where that is limited,
//! at who calls (claims.rs), at the bucket and at the clock. Nothing that a
//! request says can make the filter panic.
//!
//! Outside of WebAssembly the crate is a dynamic module of Envoy's: the same
//! rule, with buckets in the process's memory (dynmod.rs).
//!
//! The configuration is docs/formats/ratelimit-wasm.md, read by config.rs.

#![deny(unsafe_code)]
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]

mod bucket;
mod bytes;
mod claims;
mod config;
mod decimal;
mod json;
#[cfg(any(target_arch = "wasm32", test))]
#[allow(unsafe_code)]
mod memory;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: memory::Blocks = memory::Blocks::new();

#[cfg(target_arch = "wasm32")]
mod filter;
#[cfg(target_arch = "wasm32")]
use filter::Taker;
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
mod host;
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
mod whole;

#[cfg(not(any(target_arch = "wasm32", test)))]
mod dynmod;
#[cfg(not(any(target_arch = "wasm32", test)))]
#[allow(unsafe_code)]
mod envoy;
