//! The filter's configuration, made ready for requests.

use crate::bucket::{Limit, MOST_TOKENS};
use crate::bytes::same;
use crate::decimal::Decimal;
use crate::json::Reader;

/// What is limited, and how.
#[derive(Debug)]
pub struct Config {
    paths: Vec<Path>,
    /// The header with the token's payload; None: the caller is in headers of
    /// its own.
    pub payload_header: Option<String>,
}

#[derive(Debug)]
struct Path {
    path: Vec<u8>,
    users: Vec<(Vec<u8>, Allowance)>, // by subscription
    others: Allowance,
}

/// A limit and where its buckets are: the user's name follows the prefix.
#[derive(Debug)]
pub struct Allowance {
    pub limit: Limit,
    pub prefix: Vec<u8>,
    /// The limit's tokens as text.
    pub said: Decimal,
}

/// The limits of one path.
pub struct Limits<'a>(&'a Path);

const FIELDS: &str = "limits, others, paths and payload_header";

impl Config {
    /// Reads a configuration. Whatever is wrong is said in words for whoever
    /// wrote it.
    pub fn read(text: &[u8]) -> Result<Config, String> {
        let mut rates: Option<Vec<(Vec<u8>, Rate)>> = None;
        let mut others = None;
        let mut paths: Option<Vec<Vec<u8>>> = None;
        let mut payload_header = None;
        let mut r = Reader::new(text);
        r.object(|r, name| match name {
            b"limits" => once(r, &mut rates, "limits", read_limits),
            b"others" => once(r, &mut others, "others", read_rate),
            b"paths" => once(r, &mut paths, "paths", read_paths),
            b"payload_header" => once(r, &mut payload_header, "payload_header", read_header),
            _ => r.wrong(&format!("unknown field {}: there are {}", quoted(name), FIELDS)),
        })?;
        r.end()?;
        let rates = needed(rates, "limits")?;
        let others = needed(others, "others")?;
        let paths = needed(paths, "paths")?;
        let paths = paths.into_iter().map(|path| Path::new(path, &rates, &others)).collect();
        Ok(Config { paths, payload_header })
    }

    /// The limits of a path as it was sent; its query is no part of it.
    pub fn limits(&self, sent: &[u8]) -> Option<Limits<'_>> {
        let path = sent.split(|&c| c == b'?').next().unwrap_or(sent);
        self.paths.iter().find(|p| same(&p.path, path)).map(Limits)
    }
}

impl<'a> Limits<'a> {
    /// What one user with the subscription is allowed, if it is listed.
    pub fn of(&self, subscription: &[u8]) -> Option<&'a Allowance> {
        self.0.users.iter().find(|(name, _)| same(name, subscription)).map(|(_, a)| a)
    }

    /// What all others are allowed together.
    pub fn others(&self) -> &'a Allowance {
        &self.0.others
    }
}

/// A rate as it was written, which is a part of its buckets' keys: with
/// another rate, buckets begin anew.
#[derive(Clone, Debug)]
struct Rate {
    text: Vec<u8>,
    limit: Limit,
}

impl Path {
    fn new(path: Vec<u8>, rates: &[(Vec<u8>, Rate)], others: &Rate) -> Path {
        let allowance = |subscription: &[u8], rate: &Rate| {
            // No part but the user's name, which is last, can hold a zero byte.
            let prefix = [b"tare.ratelimit", &path[..], subscription, &rate.text, b""].join(&0);
            Allowance { said: Decimal::new(rate.limit.tokens), limit: rate.limit.clone(), prefix }
        };
        let users = rates.iter().map(|(name, rate)| (name.clone(), allowance(name, rate))).collect();
        let others = allowance(b"", others);
        Path { path, users, others }
    }
}

fn once<T>(r: &mut Reader, into: &mut Option<T>, name: &str, read: fn(&mut Reader) -> Result<T, String>) -> Result<(), String> {
    if into.is_some() {
        return r.wrong(&format!("{} is there twice", name));
    }
    *into = Some(read(r).map_err(|e| format!("{}: {}", name, e))?);
    Ok(())
}

fn needed<T>(value: Option<T>, name: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("{} is missing: there are {}, and only payload_header may be left out", name, FIELDS))
}

fn read_limits(r: &mut Reader) -> Result<Vec<(Vec<u8>, Rate)>, String> {
    let mut limits: Vec<(Vec<u8>, Rate)> = Vec::new();
    r.object(|r, name| {
        if !printable(name) {
            return r.wrong(&format!("{} is no name of a subscription: it must be printable and not empty", quoted(name)));
        }
        if limits.iter().any(|(n, _)| n == name) {
            return r.wrong(&format!("{} is listed twice", quoted(name)));
        }
        let rate = read_rate(r).map_err(|e| format!("{}: {}", quoted(name), e))?;
        limits.push((name.to_vec(), rate));
        Ok(())
    })?;
    if limits.is_empty() {
        return r.wrong("empty: list at least one subscription, as in {\"Personal\": \"10/min\"}");
    }
    Ok(limits)
}

fn read_paths(r: &mut Reader) -> Result<Vec<Vec<u8>>, String> {
    let mut paths: Vec<Vec<u8>> = Vec::new();
    r.list(|r| {
        let path = r.string()?;
        if path.first() != Some(&b'/') || !printable(&path) || path.contains(&b'?') || path.contains(&b'#') {
            return r.wrong(&format!("{} is no path: it begins with / and has no query", quoted(&path)));
        }
        if paths.contains(&path) {
            return r.wrong(&format!("{} is listed twice", quoted(&path)));
        }
        paths.push(path);
        Ok(())
    })?;
    if paths.is_empty() {
        return r.wrong("empty: list at least one path, as in [\"/pull\"]");
    }
    Ok(paths)
}

fn read_header(r: &mut Reader) -> Result<String, String> {
    let name = r.string()?;
    let valid = |c: &u8| matches!(c, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_');
    match String::from_utf8(name) {
        Ok(name) if !name.is_empty() && name.as_bytes().iter().all(valid) => Ok(name.to_ascii_lowercase()),
        _ => r.wrong("no name of a header: it has letters, digits, - and _"),
    }
}

fn read_rate(r: &mut Reader) -> Result<Rate, String> {
    let text = r.string()?;
    let slash = text.iter().position(|&c| c == b'/').unwrap_or(text.len());
    let per = match text.get(slash + 1..).unwrap_or_default() {
        b"s" => 1_000_000_000,
        b"min" => 60_000_000_000,
        b"h" => 3_600_000_000_000,
        _ => return r.wrong(&format!("{} is no rate: write N/s, N/min or N/h", quoted(&text))),
    };
    let tokens = match whole(&text[..slash]) {
        Some(n) if (1..=MOST_TOKENS).contains(&n) => n,
        _ => return r.wrong(&format!("{}: the number must be from 1 to {}", quoted(&text), MOST_TOKENS)),
    };
    match Limit::new(tokens, per) {
        Some(limit) => Ok(Rate { text, limit }),
        None => r.wrong(&format!("{} cannot be counted without rounding", quoted(&text))),
    }
}

fn whole(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.iter().try_fold(0u32, |n, d| n.checked_mul(10)?.checked_add(u32::from(d - b'0')))
}

fn printable(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|c| (b' '..0x7f).contains(c))
}

fn quoted(text: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"limits":{"Personal":"10/min","Team":"100/min"},"others":"1000000000/s","paths":["/pull","/p"],"payload_header":"X-Payload"}"#;

    #[test]
    fn reads_what_the_format_says() {
        let c = Config::read(GOOD.as_bytes()).unwrap();
        assert_eq!(c.payload_header.as_deref(), Some("x-payload"));
        for unlimited in ["/auth", "/pull/", "/pul", "/", "", "?/pull", "/Pull"] {
            assert!(c.limits(unlimited.as_bytes()).is_none(), "{}", unlimited);
        }
        for sent in ["/pull", "/pull?a=b?c", "/pull?"] {
            let limits = c.limits(sent.as_bytes()).unwrap();
            assert_eq!(limits.of(b"Personal").unwrap().limit.tokens, 10);
            assert_eq!(limits.of(b"Team").unwrap().limit.tokens, 100);
            assert_eq!(limits.others().limit.tokens, MOST_TOKENS);
            assert!(limits.of(b"Persona").is_none() && limits.of(b"").is_none());
        }
    }

    #[test]
    fn no_two_accounts_have_one_key() {
        let same_rates = GOOD.replace("100/min", "10/min").replace("1000000000/s", "10/min");
        let c = Config::read(same_rates.as_bytes()).unwrap();
        let mut keys = Vec::new();
        for path in ["/pull", "/p"] {
            let limits = c.limits(path.as_bytes()).unwrap();
            for a in [limits.of(b"Personal").unwrap(), limits.of(b"Team").unwrap(), limits.others()] {
                for user in ["", "u", "\0u", "u\0", "Team"] {
                    keys.push([&a.prefix[..], user.as_bytes()].concat());
                }
            }
        }
        let all = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }

    #[test]
    fn says_what_is_wrong() {
        let replaced = |from: &str, to: &str| GOOD.replace(from, to);
        for (text, want) in [
            (String::new(), "byte 0: no { here"),
            (replaced("\"paths\"", "\"path\""), "unknown field \"path\": there are limits, others, paths and payload_header"),
            (replaced("\"others\":\"1000000000/s\",", ""), "others is missing"),
            (replaced("\"payload_header\"", "\"others\""), "others is there twice"),
            (replaced("10/min", "10"), "limits: \"Personal\": byte 26: \"10\" is no rate"),
            (replaced("10/min", "0/min"), "the number must be from 1 to 1000000000"),
            (replaced("10/min", "1000000001/min"), "the number must be from 1 to 1000000000"),
            (replaced("10/min", "-1/min"), "the number must be"),
            (replaced("10/min", "1e3/min"), "the number must be"),
            (replaced("10/min", "999999937/h"), "cannot be counted without rounding"),
            (replaced("\"10/min\"", "10"), "limits: \"Personal\": byte 22: no \" here"),
            (replaced("Team", "Personal"), "\"Personal\" is listed twice"),
            (replaced("Team", "\\u0000"), "is no name of a subscription"),
            (replaced("/pull", "pull"), "\"pull\" is no path"),
            (replaced("/pull", "/pull?a"), "is no path"),
            (replaced("/pull", "/p"), "\"/p\" is listed twice"),
            (replaced("[\"/pull\",\"/p\"]", "[]"), "paths: byte 83: empty"),
            (replaced("X-Payload", "x payload"), "no name of a header"),
            (replaced("X-Payload", ":path"), "no name of a header"),
            (GOOD.to_string() + "}", "something follows"),
        ] {
            let said = Config::read(text.as_bytes()).unwrap_err();
            assert!(said.contains(want), "{}: said {}, want {}", text, said, want);
        }
        for end in 0..GOOD.len() {
            assert!(Config::read(&GOOD.as_bytes()[..end]).is_err());
        }
    }
}
