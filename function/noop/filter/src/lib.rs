//! The filter that does nothing: what any filter of this form costs.
//!
//! It is called where the rate limit is called and asks the host for nothing.
//! For WebAssembly it is a proxy-wasm module, elsewhere a dynamic module of
//! Envoy's.

#![deny(unsafe_code)]

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
mod memory;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: memory::Blocks = memory::Blocks::new();

#[cfg(target_arch = "wasm32")]
mod wasm;
#[cfg(target_arch = "wasm32")]
use wasm::Taker;
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
mod whole;

#[cfg(not(any(target_arch = "wasm32", test)))]
mod dynmod;
#[cfg(not(any(target_arch = "wasm32", test)))]
#[allow(unsafe_code)]
mod envoy;
