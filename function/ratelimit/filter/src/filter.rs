//! The filter in the host's hands.

use crate::bucket::{self, Decision, Failure, Host, ABSENT};
use crate::claims;
use crate::config::{Allowance, Config, Limits};
use crate::host::{self, Proxy};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::cell::Cell;
use std::rc::Rc;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { limiter: None }));
}}

/// The filter as it is configured.
struct Plugin {
    limiter: Option<Rc<Limiter>>,
}

struct Limiter {
    config: Config,
    failed: Cell<bool>, // and the log says so
}

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        match Config::read(&text).and_then(|c| can_create().map(|_| c)) {
            Ok(config) => {
                self.limiter = Some(Rc::new(Limiter { config, failed: Cell::new(false) }));
                true
            }
            Err(e) => {
                log(&format!("configuration: {}", e));
                false
            }
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request { limiter: self.limiter.clone(), decision: None }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn log(what: &str) {
    let _ = hostcalls::log(LogLevel::Error, &format!("ratelimit: {}", what));
}

/// Tries what new buckets depend on: that the host makes a key which is not
/// there, and only then, in one step.
fn can_create() -> Result<(), String> {
    const KEY: &[u8] = b"tare.ratelimit";
    let tried = Proxy.set(KEY, b"1", ABSENT).and_then(|_| Proxy.get(KEY));
    match tried {
        Ok(Some(_)) => Ok(()),
        _ => Err("this host cannot make shared data in one step: a write with a stamp to a key that is not there must make it".into()),
    }
}

/// One request and its response.
struct Request {
    limiter: Option<Rc<Limiter>>,
    decision: Option<Decision>, // for the response's headers
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _headers: usize, _end: bool) -> Action {
        let decided = match &self.limiter {
            Some(l) => l.decide(),
            None => return self.unable("not configured"),
        };
        match decided {
            Ok(Some(d)) if !d.allowed => {
                refuse(&d);
                Action::Pause
            }
            Ok(d) => {
                self.decision = d;
                Action::Continue
            }
            Err(Failure(_)) => self.unable("the host has no room for another bucket"),
        }
    }

    fn on_http_response_headers(&mut self, _headers: usize, _end: bool) -> Action {
        if let Some(d) = self.decision.take() {
            host::add_response_header(LIMIT, Decimal::new(d.limit).text().as_bytes());
            host::add_response_header(REMAINING, Decimal::new(d.remaining).text().as_bytes());
            host::add_response_header(RESET, Decimal::new(seconds(d.next)).text().as_bytes());
        }
        Action::Continue
    }
}

impl Request {
    /// Answers that no decision is possible: without one nobody goes on.
    fn unable(&self, why: &str) -> Action {
        self.send_http_response(503, vec![], Some(format!("ratelimit: {}", why).as_bytes()));
        Action::Pause
    }
}

impl Limiter {
    /// Decides on the request at hand; None where nothing is limited. The first
    /// failure is logged.
    fn decide(&self) -> Result<Option<Decision>, Failure> {
        let decided = decide(&self.config);
        if let Err(Failure(status)) = decided {
            if !self.failed.replace(true) {
                log(&format!("shared data: the host answers with status {}: requests are refused with 503", status));
            }
        }
        decided
    }
}

fn decide(config: &Config) -> Result<Option<Decision>, Failure> {
    let path = host::request_header(":path").unwrap_or_default();
    let limits = match config.limits(&path) {
        Some(l) => l,
        None => return Ok(None),
    };
    let (allowance, user) = match &config.payload_header {
        Some(name) => {
            let c = host::request_header(name).map(|h| claims::read(&h)).unwrap_or_default();
            account(limits, &c.subscription, || c.user)
        }
        // The token check has put the caller there.
        None => {
            let subscription = host::request_header("x-subscription").unwrap_or_default();
            account(limits, &subscription, || host::request_header("x-user").unwrap_or_default())
        }
    };
    let mut key = Vec::with_capacity(allowance.prefix.len() + user.len());
    key.extend_from_slice(&allowance.prefix);
    key.extend_from_slice(&user);
    bucket::take(&Proxy, &key, &allowance.limit).map(Some)
}

/// Whose bucket a request draws from: that of the user with a listed
/// subscription, or that of all others, who have no name.
fn account<'a>(limits: Limits<'a>, subscription: &[u8], user: impl FnOnce() -> Vec<u8>) -> (&'a Allowance, Vec<u8>) {
    if let Some(a) = limits.of(subscription) {
        let user = user();
        if !user.is_empty() {
            return (a, user);
        }
    }
    (limits.others(), Vec::new())
}

const LIMIT: &str = "x-ratelimit-limit";
const REMAINING: &str = "x-ratelimit-remaining";
const RESET: &str = "x-ratelimit-reset";
const RETRY_AFTER: &str = "retry-after";

/// Answers as Envoy's local rate limit does.
fn refuse(d: &Decision) {
    let wait = seconds(d.next);
    let (limit, remaining, reset) = (Decimal::new(d.limit), Decimal::new(d.remaining), Decimal::new(wait));
    let retry = Decimal::new(wait.max(1));
    let headers = vec![(LIMIT, limit.text()), (REMAINING, remaining.text()), (RESET, reset.text()), (RETRY_AFTER, retry.text())];
    // The SDK gives no error but panics on one; there is none for this call.
    let _ = hostcalls::send_http_response(429, headers, Some(b"local_rate_limited"));
}

/// Rounds nanoseconds up. (Divisions of 64 bits are slow in a module: none for
/// the many requests that leave a token.)
fn seconds(ns: i64) -> u32 {
    const SECOND: i64 = 1_000_000_000;
    if ns == 0 {
        return 0;
    }
    ((ns + SECOND - 1) / SECOND).try_into().unwrap_or(u32::MAX)
}

/// A number as text, without an allocation.
struct Decimal {
    digits: [u8; 10],
    from: usize,
}

impl Decimal {
    fn new(mut n: u32) -> Decimal {
        let mut d = Decimal { digits: [b'0'; 10], from: 10 };
        loop {
            d.from -= 1;
            d.digits[d.from] = b'0' + (n % 10) as u8;
            n /= 10;
            if n == 0 {
                return d;
            }
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.digits[self.from..]).unwrap_or_default()
    }
}
