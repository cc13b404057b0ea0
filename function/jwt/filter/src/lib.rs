//! The token check as a proxy-wasm filter: by the same rules and with the same
//! answers as the other forms of function/jwt.
//!
//! The ABI has no signatures, so the module brings its own: crates for P-256,
//! RSA and Ed25519 (keys.rs). A request costs a look at its path and at its
//! Authorization header, the reading of the token (token.rs), and the check of
//! its signature, which is nearly all of the time. Nothing is kept from one
//! request to the next, and nothing that a request says can make the filter
//! panic.
//!
//! The configuration is docs/formats/jwt-wasm.md, read by config.rs.

#![deny(unsafe_code)]
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]

mod config;
mod keys;
mod members;
mod token;

#[cfg(any(target_arch = "wasm32", test))]
#[allow(unsafe_code)]
mod memory;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: memory::Blocks = memory::Blocks::new();

#[cfg(target_arch = "wasm32")]
mod filter;
