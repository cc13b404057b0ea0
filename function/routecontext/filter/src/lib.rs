//! Context-based routing: the first rule that holds says in a header which
//! service a request belongs to. For WebAssembly it is a proxy-wasm module,
//! elsewhere a dynamic module of Envoy's.

#![deny(unsafe_code)]
#![cfg_attr(test, allow(dead_code))]

mod filter;
mod lines;
#[allow(dead_code)] // no filter uses all of it
mod proxy;

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
mod memory;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: memory::Blocks = memory::Blocks::new();

#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(not(any(target_arch = "wasm32", test)))]
mod dynmod;
#[cfg(not(any(target_arch = "wasm32", test)))]
#[allow(unsafe_code)]
mod envoy;
