//! The filter as a proxy-wasm module.

use crate::filter::Filter;
use crate::proxy::{Of, Proxy};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MapType};
use std::rc::Rc;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { filter: None }));
}}

/// The filter as it is configured.
struct Plugin {
    filter: Option<Rc<Filter>>,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _size: usize) -> bool {
        match Filter::new(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(filter) => {
                self.filter = Some(Rc::new(filter));
                true
            }
            Err(why) => {
                let _ = hostcalls::log(LogLevel::Error, &format!("configuration: {}", why));
                false
            }
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request { filter: self.filter.clone() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One request and its response.
struct Request {
    filter: Option<Rc<Filter>>,
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _headers: usize, _end: bool) -> Action {
        if let Some(f) = &self.filter {
            f.request(&Host);
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _headers: usize, _end: bool) -> Action {
        if let Some(f) = &self.filter {
            f.response(&Host);
        }
        Action::Continue
    }
}

struct Host;

fn map(of: Of) -> MapType {
    match of {
        Of::Request => MapType::HttpRequestHeaders,
        Of::Response => MapType::HttpResponseHeaders,
    }
}

/// Names are tokens, which Filter::new has seen to.
fn text(name: &[u8]) -> &str {
    std::str::from_utf8(name).unwrap_or_default()
}

impl Proxy for Host {
    /// Takes in all headers: the ABI gives no more than one copy by name.
    fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let all = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
        all.into_iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v).collect()
    }

    fn set(&self, of: Of, name: &[u8], value: &[u8]) {
        let _ = hostcalls::set_map_value_bytes(map(of), text(name), Some(value));
    }

    fn add(&self, of: Of, name: &[u8], value: &[u8]) {
        let _ = hostcalls::add_map_value_bytes(map(of), text(name), value);
    }

    fn remove(&self, of: Of, name: &[u8]) {
        let _ = hostcalls::set_map_value_bytes(map(of), text(name), None);
    }

    /// The ABI has no function for it that all hosts have; Envoy has a foreign
    /// one, and other hosts do it by themselves when a header changes.
    fn clear_route(&self) {
        let _ = hostcalls::call_foreign_function("clear_route_cache", None);
    }
}
