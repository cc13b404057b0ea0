//! The rules.

use crate::lines;
use crate::proxy::{Of, Proxy};

pub struct Filter {
    header: Vec<u8>,
    otherwise: Vec<u8>, // where no rule holds
    rules: Vec<Rule>,
}

struct Rule {
    says: Vec<u8>,
    when: Vec<Condition>,
}

struct Condition {
    from: From,
    match_: Match,
    value: Vec<u8>,
}

/// Where a condition looks.
enum From {
    Header(String),
    Claim(String), // a header that the token check has set
    Cookie(Vec<u8>),
    Query(Vec<u8>),
    Method,
    Identity,
}

enum Match {
    Exact,
    Prefix,
    Present,
}

impl Filter {
    /// Reads "header NAME", "otherwise SERVICE", "rule SERVICE" and, for the rule
    /// before it, "when FROM NAME MATCH VALUE".
    pub fn new(config: &[u8]) -> Result<Filter, String> {
        let mut f = Filter { header: Vec::new(), otherwise: Vec::new(), rules: Vec::new() };
        for words in lines::read(config, "route-context")? {
            match (&words[0][..], &words[1..]) {
                (b"header", [name]) if name.is_ascii() => f.header = name.clone(),
                (b"otherwise", [service]) => f.otherwise = service.clone(),
                (b"rule", [service]) => f.rules.push(Rule { says: service.clone(), when: Vec::new() }),
                (b"when", [from, name, how, value]) => {
                    let c = Condition { from: source(from, name)?, match_: comparison(how)?, value: value.clone() };
                    f.rules.last_mut().ok_or("a condition stands before all rules")?.when.push(c);
                }
                _ => return Err(format!("a line that begins with {} is not understood", String::from_utf8_lossy(&words[0]))),
            }
        }
        if f.header.is_empty() {
            return Err("header is missing".into());
        }
        Ok(f)
    }

    pub fn request(&self, p: &impl Proxy) {
        p.set(Of::Request, &self.header, self.service(p));
        p.clear_route();
    }

    pub fn response(&self, _: &impl Proxy) {}

    fn service(&self, p: &impl Proxy) -> &[u8] {
        let first = self.rules.iter().find(|r| r.when.iter().all(|c| c.holds(p)));
        first.map_or(&self.otherwise, |r| &r.says)
    }
}

fn source(from: &[u8], name: &[u8]) -> Result<From, String> {
    let text = || String::from_utf8(name.to_vec()).map_err(|_| "a name is not UTF-8".to_string());
    Ok(match from {
        b"header" => From::Header(text()?),
        b"claim" => From::Claim(text()?),
        b"cookie" => From::Cookie(name.to_vec()),
        b"query" => From::Query(name.to_vec()),
        b"method" => From::Method,
        b"identity" => From::Identity,
        _ => return Err(format!("no source {}", String::from_utf8_lossy(from))),
    })
}

fn comparison(how: &[u8]) -> Result<Match, String> {
    Ok(match how {
        b"exact" => Match::Exact,
        b"prefix" => Match::Prefix,
        b"present" => Match::Present,
        _ => return Err(format!("no match {}", String::from_utf8_lossy(how))),
    })
}

impl Condition {
    fn holds(&self, p: &impl Proxy) -> bool {
        match &self.from {
            From::Header(name) => p.values(name).iter().any(|v| self.is(v)),
            From::Claim(name) => p.values(name).first().map_or(false, |v| !v.is_empty() && self.is(v)),
            From::Method => p.values(":method").iter().any(|v| self.is(v)),
            From::Cookie(name) => p.values("cookie").iter().find_map(|l| cookie(l, name)).map_or(false, |v| self.is(v)),
            From::Query(name) => p.values(":path").first().and_then(|path| parameter(path, name)).map_or(false, |v| self.is(v)),
            From::Identity => identities(&p.values("x-forwarded-client-cert").join(&b','),).iter().any(|v| self.is(v)),
        }
    }

    fn is(&self, value: &[u8]) -> bool {
        match self.match_ {
            Match::Exact => value == &self.value[..],
            Match::Prefix => value.starts_with(&self.value),
            Match::Present => true,
        }
    }
}

/// Cuts at the first byte c; None where it has none.
fn cut(text: &[u8], c: u8) -> Option<(&[u8], &[u8])> {
    text.iter().position(|&b| b == c).map(|i| (&text[..i], &text[i + 1..]))
}

/// The value of the first cookie of the name; one pair of quotes around it does
/// not count.
fn cookie<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.split(|&c| c == b';').find_map(|pair| {
        let start = pair.iter().position(|&c| c != b' ').unwrap_or(pair.len());
        cut(&pair[start..], b'=').filter(|(k, _)| *k == name).map(|(_, v)| v)
    })?;
    match value {
        [b'"', inner @ .., b'"'] => Some(inner),
        v => Some(v),
    }
}

/// The value of the first parameter of the name, as it was written.
fn parameter<'a>(target: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (_, query) = cut(target, b'?')?;
    query.split(|&c| c == b'&').find_map(|pair| {
        let (k, v) = cut(pair, b'=').unwrap_or((pair, b""));
        if k == name {
            Some(v)
        } else {
            None
        }
    })
}

/// The URIs of the last element of a header x-forwarded-client-cert.
fn identities(xfcc: &[u8]) -> Vec<&[u8]> {
    let (mut uris, mut quoted, mut from, mut i) = (Vec::new(), false, 0, 0);
    while i <= xfcc.len() {
        let c = xfcc.get(i).copied();
        match c {
            Some(b'\\') if quoted => i += 1,
            Some(b'"') => quoted = !quoted,
            None | Some(b',' | b';') if c.is_none() || !quoted => {
                if let Some((b"URI", uri)) = cut(&xfcc[from.min(xfcc.len())..i], b'=') {
                    uris.push(uri);
                }
                if c == Some(b',') {
                    uris.clear();
                }
                from = i + 1;
            }
            _ => {}
        }
        i += 1;
    }
    uris
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(v: Option<&[u8]>) -> Option<&str> {
        v.map(|v| std::str::from_utf8(v).unwrap())
    }

    #[test]
    fn finds_cookies() {
        for (line, want) in [
            ("a=1", Some("1")), ("b=2; a=1; a=3", Some("1")), ("a=\"1\"", Some("1")), ("a=\"", Some("\"")), ("a", None), ("a=", Some("")), ("xa=1", None), ("", None), ("b=a=1", None),
        ] {
            assert_eq!(text(cookie(line.as_bytes(), b"a")), want, "{}", line);
        }
    }

    #[test]
    fn finds_parameters() {
        for (target, want) in [
            ("/?a=1", Some("1")), ("/?b&a=1&a=2", Some("1")), ("/?a", Some("")), ("/a=1", None), ("/?xa=1", None), ("/?a=1?b", Some("1?b")), ("/?", None),
        ] {
            assert_eq!(text(parameter(target.as_bytes(), b"a")), want, "{}", target);
        }
    }

    #[test]
    fn finds_identities() {
        for (xfcc, want) in [
            ("URI=a", vec!["a"]), ("By=x;URI=a;URI=b", vec!["a", "b"]), ("URI=a,URI=b", vec!["b"]), ("URI=a,Hash=1", vec![]),
            ("Subject=\"x;URI=a\"", vec![]), ("Subject=\"\\\",URI=a\"", vec![]), ("", vec![]), ("XURI=a", vec![]), ("Subject=\"\\", vec![]),
        ] {
            let got: Vec<_> = identities(xfcc.as_bytes()).into_iter().map(|v| std::str::from_utf8(v).unwrap()).collect();
            assert_eq!(got, want, "{}", xfcc);
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for lines in ["", "header\tx\nwhen\theader\ta\texact\tb", "header\tx\nrule\ts\nwhen\tmoon\ta\texact\tb", "header\tx\nrule\ts\nwhen\theader\ta\tlike\tb", "header\tx\nwhat"] {
            assert!(Filter::new(format!("route-context\n{}\n", lines).as_bytes()).is_err(), "{}", lines);
        }
    }
}
