//! The filter as a dynamic module of Envoy's. Its buckets lie in the process's
//! memory, so that all workers draw from the same ones, and are never forgotten.

use crate::bucket::{self, Decision, Failure, Host as Shared, Written};
use crate::config::{Allowance, Config, Limits};
use crate::envoy::{Host, Side};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

pub struct Filter(Config);

/// What was decided on a request, for the headers of its response.
#[derive(Default)]
pub struct Stream(Option<Decision>);

impl Filter {
    pub fn new(config: &[u8]) -> Result<Filter, String> {
        Config::read(config).map(Filter)
    }

    pub fn request(&self, s: &mut Stream, host: &Host) -> bool {
        let path = host.value(":path").unwrap_or_default();
        let limits = match self.0.limits(&path) {
            Some(l) => l,
            None => return true,
        };
        let (allowance, user) = account(limits, host);
        let key = [&allowance.prefix[..], &user].concat();
        match bucket::take(&Memory, &key, &allowance.limit) {
            Ok(d) if d.allowed => {
                s.0 = Some(d);
                true
            }
            Ok(d) => {
                let mut headers = said(&d).to_vec();
                headers.push(("retry-after", seconds(d.next).max(1).to_string()));
                host.reply(429, &headers, "local_rate_limited");
                false
            }
            Err(Failure(_)) => {
                host.reply(503, &[], "ratelimit: no decision was possible");
                false
            }
        }
    }

    pub fn response(&self, s: &mut Stream, host: &Host) {
        if let Some(d) = s.0.take() {
            for (name, value) in said(&d) {
                host.add(Side::Response, name.as_bytes(), value.as_bytes());
            }
        }
    }
}

/// Whose bucket a request draws from: that of the user with a listed
/// subscription, or that of all others, who have no name.
fn account<'a>(limits: Limits<'a>, host: &Host) -> (&'a Allowance, Vec<u8>) {
    if let Some(a) = limits.of(&host.value("x-subscription").unwrap_or_default()) {
        let user = host.value("x-user").unwrap_or_default();
        if !user.is_empty() {
            return (a, user);
        }
    }
    (limits.others(), Vec::new())
}

fn said(d: &Decision) -> [(&'static str, String); 3] {
    [
        ("x-ratelimit-limit", d.limit.to_string()),
        ("x-ratelimit-remaining", d.remaining.to_string()),
        ("x-ratelimit-reset", seconds(d.next).to_string()),
    ]
}

fn seconds(ns: i64) -> i64 {
    const SECOND: i64 = 1_000_000_000;
    (ns + SECOND - 1) / SECOND
}

/// The process's memory, as the module for WebAssembly sees its host's shared
/// data.
struct Memory;

struct Held {
    value: Vec<u8>,
    stamp: u32,
}

static HELD: Mutex<Option<HashMap<Vec<u8>, Held>>> = Mutex::new(None);

fn held() -> MutexGuard<'static, Option<HashMap<Vec<u8>, Held>>> {
    HELD.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Shared for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Failure> {
        let guard = held();
        Ok(guard.as_ref().and_then(|m| m.get(key)).map(|h| (h.value.clone(), h.stamp)))
    }

    fn set(&self, key: &[u8], value: &[u8], stamp: u32) -> Result<Written, Failure> {
        let mut guard = held();
        let all = guard.get_or_insert_with(HashMap::new);
        match all.get_mut(key) {
            Some(h) if h.stamp != stamp => return Ok(Written::Changed),
            Some(h) => {
                h.value = value.to_vec();
                h.stamp = h.stamp % (u32::MAX - 1) + 1; // neither 0 nor ABSENT
            }
            None => {
                all.insert(key.to_vec(), Held { value: value.to_vec(), stamp: 1 });
            }
        }
        Ok(Written::Yes)
    }

    fn now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
    }
}
