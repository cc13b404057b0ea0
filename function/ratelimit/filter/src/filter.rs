//! The filter in the host's hands.

use crate::bucket::{self, Decision, Failure, Host, Written, ABSENT};
use crate::bytes::FEW;
use crate::claims;
use crate::config::{Allowance, Config, Limits};
use crate::decimal::Decimal;
use crate::host::{self, Proxy};
use crate::whole::{copy, Additions, Given, Taken, Want};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
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
    key: RefCell<Key>,
    failed: Cell<bool>, // and the log says so
}

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        match Config::read(&text).and_then(|c| can_create().map(|_| c)) {
            Ok(config) => {
                self.limiter = Some(Rc::new(Limiter { config, key: RefCell::default(), failed: Cell::new(false) }));
                LIMITER.with(|l| *l.borrow_mut() = self.limiter.clone());
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
        let verdict = match &self.limiter {
            Some(l) => l.judge(&Headers(&l.config), &Proxy),
            None => {
                unable("not configured");
                Verdict::Answered
            }
        };
        match verdict {
            Verdict::Answered => Action::Pause,
            Verdict::GoesOn(d) => {
                self.decision = d.map(|(d, _)| d);
                Action::Continue
            }
        }
    }

    fn on_http_response_headers(&mut self, _headers: usize, _end: bool) -> Action {
        if let Some(d) = self.decision.take() {
            for (name, value) in said(&d) {
                host::add_response_header(name, value.bytes());
            }
        }
        Action::Continue
    }
}

/// The same, for a host that hands requests over whole.
pub struct Taker;

thread_local! {
    static LIMITER: RefCell<Option<Rc<Limiter>>> = const { RefCell::new(None) };
}

impl Taker {
    pub fn wants() -> Vec<Want> {
        LIMITER.with(|l| match &*l.borrow() {
            Some(l) => names(&l.config).iter().filter(|n| !n.is_empty()).map(|n| Want::Header(n.as_bytes().to_vec())).collect(),
            None => Vec::new(),
        })
    }

    pub fn request(given: &Given, left: &mut Additions) -> Taken {
        LIMITER.with(|l| match &*l.borrow() {
            Some(l) => l.take(given, left),
            None => Taken::AsUsual,
        })
    }
}

/// What there is to a request; empty: it is not there.
trait Asked {
    /// A header, by its place among the names.
    fn header(&self, place: usize) -> Cow<'_, [u8]>;
}

/// The headers that are asked for. Who calls is in the payload, or where the
/// token check has put it.
fn names(config: &Config) -> [&str; 3] {
    match &config.payload_header {
        Some(payload) => [":path", payload, ""],
        None => [":path", "x-subscription", "x-user"],
    }
}

const PATH: usize = 0;
const PAYLOAD: usize = 1;
const SUBSCRIPTION: usize = 1;
const USER: usize = 2;

/// They are asked for one by one.
struct Headers<'a>(&'a Config);

impl Asked for Headers<'_> {
    fn header(&self, place: usize) -> Cow<'_, [u8]> {
        Cow::Owned(host::request_header(names(self.0)[place]).unwrap_or_default())
    }
}

/// They are there already, and so is the time.
impl Asked for Given {
    fn header(&self, place: usize) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.value(place))
    }
}

impl Host for Given {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Failure> {
        Proxy.get(key)
    }

    fn set(&self, key: &[u8], value: &[u8], stamp: u32) -> Result<Written, Failure> {
        Proxy.set(key, value, stamp)
    }

    fn now(&self) -> u64 {
        self.time()
    }
}

enum Verdict<'a> {
    GoesOn(Option<(Decision, &'a Allowance)>), // for the response's headers; None: nothing is limited
    Answered,
}

impl Limiter {
    /// Decides on the request at hand, and answers it where it must not go on.
    fn judge(&self, asked: &impl Asked, host: &impl Host) -> Verdict<'_> {
        match self.decide(asked, host) {
            Ok(Some((d, _))) if !d.allowed => {
                refuse(&d);
                Verdict::Answered
            }
            Ok(d) => Verdict::GoesOn(d),
            Err(Failure(status)) => {
                if !self.failed.replace(true) {
                    log(&format!("shared data: the host answers with status {}: requests are refused with 503", status));
                }
                unable("the host has no room for another bucket");
                Verdict::Answered
            }
        }
    }

    fn take(&self, given: &Given, left: &mut Additions) -> Taken {
        if let Verdict::GoesOn(Some((d, a))) = self.judge(given, given) {
            left.leave(LIMIT, a.said.bytes());
            left.leave(REMAINING, Decimal::new(d.remaining).bytes());
            left.leave(RESET, Decimal::new(seconds(d.next)).bytes());
        }
        Taken::Whole
    }

    fn decide(&self, asked: &impl Asked, host: &impl Host) -> Result<Option<(Decision, &Allowance)>, Failure> {
        let limits = match self.config.limits(&asked.header(PATH)) {
            Some(l) => l,
            None => return Ok(None),
        };
        let (allowance, user) = if self.config.payload_header.is_some() {
            let c = claims::read(&asked.header(PAYLOAD));
            account(limits, &c.subscription, || Cow::Owned(c.user))
        } else {
            account(limits, &asked.header(SUBSCRIPTION), || asked.header(USER))
        };
        let mut key = self.key.borrow_mut();
        let decision = bucket::take(host, key.of(allowance, &user), &allowance.limit)?;
        Ok(Some((decision, allowance)))
    }
}

/// The key that was asked for last: the next is mostly of the same allowance,
/// and differs in the user's name.
struct Key {
    of: *const Allowance,
    bytes: Vec<u8>, // the allowance's prefix, and room for a few bytes
}

impl Default for Key {
    fn default() -> Key {
        Key { of: std::ptr::null(), bytes: Vec::new() }
    }
}

impl Key {
    fn of(&mut self, a: &Allowance, user: &[u8]) -> &[u8] {
        let (from, to) = (a.prefix.len(), a.prefix.len() + user.len());
        if !std::ptr::eq(self.of, a) || user.len() > FEW {
            self.of = a;
            self.bytes.clear();
            self.bytes.extend_from_slice(&a.prefix);
            self.bytes.resize(from + user.len().max(FEW), 0);
        }
        match self.bytes.get_mut(from..to) {
            Some(name) => copy(name, user),
            None => return &[],
        }
        &self.bytes[..to]
    }
}

/// Whose bucket a request draws from: that of the user with a listed
/// subscription, or that of all others, who have no name.
fn account<'a, 'b>(limits: Limits<'a>, subscription: &[u8], user: impl FnOnce() -> Cow<'b, [u8]>) -> (&'a Allowance, Cow<'b, [u8]>) {
    if let Some(a) = limits.of(subscription) {
        let user = user();
        if !user.is_empty() {
            return (a, user);
        }
    }
    (limits.others(), Cow::Borrowed(&[]))
}

const LIMIT: &str = "x-ratelimit-limit";
const REMAINING: &str = "x-ratelimit-remaining";
const RESET: &str = "x-ratelimit-reset";
const RETRY_AFTER: &str = "retry-after";

/// What every answer of a limited path says.
fn said(d: &Decision) -> [(&'static str, Decimal); 3] {
    [(LIMIT, Decimal::new(d.limit)), (REMAINING, Decimal::new(d.remaining)), (RESET, Decimal::new(seconds(d.next)))]
}

/// Answers as Envoy's local rate limit does.
fn refuse(d: &Decision) {
    let (said, retry) = (said(d), Decimal::new(seconds(d.next).max(1)));
    let mut headers: Vec<_> = said.iter().map(|(name, value)| (*name, value.text())).collect();
    headers.push((RETRY_AFTER, retry.text()));
    // The SDK gives no error but panics on one; there is none for this call.
    let _ = hostcalls::send_http_response(429, headers, Some(b"local_rate_limited"));
}

/// Answers that no decision is possible: without one nobody goes on.
fn unable(why: &str) {
    let _ = hostcalls::send_http_response(503, vec![], Some(format!("ratelimit: {}", why).as_bytes()));
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
