//! The filter in the host's hands.

use crate::config::Config;
use crate::token::{self, Caller, Refusal, MISSING};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MapType};
use std::rc::Rc;
use std::time::UNIX_EPOCH;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { config: None }));
}}

const USER: &str = "x-user";
const SUBSCRIPTION: &str = "x-subscription";
const SCHEME: &[u8] = b"Bearer ";

/// The filter as it is configured.
struct Plugin {
    config: Option<Rc<Config>>,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _size: usize) -> bool {
        match Config::read(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(config) => {
                self.config = Some(Rc::new(config));
                true
            }
            Err(why) => {
                let _ = hostcalls::log(LogLevel::Error, &format!("jwt: configuration: {}", why));
                false
            }
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request { config: self.config.clone() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Request {
    config: Option<Rc<Config>>,
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _headers: usize, _end: bool) -> Action {
        let done = match &self.config {
            Some(c) => decide(c).map(|caller| {
                say(c, USER, &caller.user);
                say(c, SUBSCRIPTION, &caller.subscription);
            }),
            None => Err(MISSING), // no host asks before it has configured
        };
        match done {
            Ok(()) => Action::Continue,
            Err(why) => {
                refuse(&why);
                Action::Pause
            }
        }
    }
}

/// Decides on the request at hand. Of several Authorization headers the host
/// makes one value, with commas, which is no token.
fn decide(config: &Config) -> Result<Caller, Refusal> {
    if config.is_open(&header(":path")) {
        return Ok(Caller::default());
    }
    let value = header("authorization");
    let token = value.strip_prefix(SCHEME).ok_or(MISSING)?;
    let spaces = token.iter().take_while(|&&c| c == b' ').count();
    token::verify(config, &token[spaces..], now())
}

/// Seconds since 1970, without their parts.
fn now() -> f64 {
    let since = hostcalls::get_current_time().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.map_or(f64::INFINITY, |d| d.as_secs() as f64) // without a clock every token is expired
}

/// A request's header; empty where it is not there.
fn header(name: &str) -> Vec<u8> {
    hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name).ok().flatten().unwrap_or_default()
}

/// Puts a claim into the place of the client's own headers of the name.
fn say(config: &Config, name: &str, value: &str) {
    if value.is_empty() && config.skips("headers") {
        return;
    }
    let value = if value.is_empty() { None } else { Some(value.as_bytes()) };
    let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, value);
}

/// Answers like Envoy: the reason in the body, and a challenge (RFC 6750, 3)
/// that names the place asked for.
fn refuse(why: &Refusal) {
    let scheme = header(":scheme");
    let mut challenge = String::from("Bearer realm=\"");
    quote(if scheme.is_empty() { b"http" } else { &scheme }, &mut challenge);
    challenge.push_str("://");
    quote(&header(":authority"), &mut challenge);
    quote(&header(":path"), &mut challenge);
    challenge.push('"');
    if *why != MISSING {
        challenge.push_str(", error=\"invalid_token\"");
    }
    // The SDK gives no error but panics on one; there is none for this call.
    let _ = hostcalls::send_http_response(why.status, vec![("www-authenticate", &challenge)], Some(why.text.as_bytes()));
}

/// The most of a path that is repeated, as in Envoy.
const MOST: usize = 256;

/// Appends what may stand in a quoted string as it is; at the first other byte
/// the rest is left out.
fn quote(text: &[u8], to: &mut String) {
    let fit = |c: &&u8| matches!(c, b'!'..=b'~') && !matches!(c, b'"' | b'\\');
    to.extend(text.iter().take(MOST).take_while(fit).map(|&c| c as char));
}
