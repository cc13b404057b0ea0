//! Who calls, from a token's payload that a token check has handed on.

use crate::json::Reader;

/// Who makes a request; empty where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    pub user: Vec<u8>,
    pub subscription: Vec<u8>,
}

/// Reads the claims `sub` and `subscription`. The payload is JSON, plain or in
/// base64 of either alphabet, padded or not. Where it cannot be read, or a
/// claim is no string, nobody is known. (It was signed: what does not belong in
/// it is not the caller's doing.) Of a claim that is there twice the last
/// counts, as in Go.
pub fn read(header: &[u8]) -> Caller {
    let plain = header.first() == Some(&b'{');
    let decoded = if plain { Some(header.to_vec()) } else { base64(header) };
    decoded.and_then(|text| claims(&text).ok()).unwrap_or_default()
}

fn claims(text: &[u8]) -> Result<Caller, String> {
    let mut c = Caller::default();
    let mut r = Reader::new(text);
    r.object(|r, name| {
        let into = match name {
            b"sub" => &mut c.user,
            b"subscription" => &mut c.subscription,
            _ => return r.skip(),
        };
        into.clear();
        if !r.at_string() {
            return r.skip();
        }
        *into = r.string()?;
        Ok(())
    })?;
    r.end()?;
    Ok(c)
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = match text {
        [most @ .., b'=', b'='] | [most @ .., b'='] => most,
        all => all,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.chunks(4) {
        let mut bits = 0u32;
        for &c in group {
            bits = bits << 6 | digit(c)?;
        }
        bits <<= 6 * (4 - group.len());
        let whole = match group.len() {
            1 => return None,
            n => n - 1,
        };
        bytes.extend_from_slice(&bits.to_be_bytes()[1..1 + whole]);
    }
    Some(bytes)
}

fn digit(c: u8) -> Option<u32> {
    let d = match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(d.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(user: &str, subscription: &str) -> Caller {
        Caller { user: user.into(), subscription: subscription.into() }
    }

    #[test]
    fn reads_base64() {
        for (text, want) in [
            ("", Some("")), ("Zg", Some("f")), ("Zg==", Some("f")), ("Zm8", Some("fo")), ("Zm8=", Some("fo")), ("Zm9v", Some("foo")),
            ("Zm9vYg", Some("foob")), ("fn5-", Some("~~~")), ("fn5+", Some("~~~")), ("Pz8_", Some("???")), ("Pz8/", Some("???")),
            ("Z", None), ("Zm9vY", None), ("Zm 9", None), ("Zg=a", None), ("=", Some("")), ("Z===", None),
        ] {
            assert_eq!(base64(text.as_bytes()).as_deref(), want.map(str::as_bytes), "{}", text);
        }
    }

    #[test]
    fn reads_claims() {
        for (header, want) in [
            (r#"{"sub":"ann","subscription":"Team","aud":["a"],"exp":17,"deep":{"sub":"x"}}"#, caller("ann", "Team")),
            ("eyJzdWIiOiJhbm4iLCJzdWJzY3JpcHRpb24iOiJUZWFtIn0", caller("ann", "Team")),
            ("eyJzdWIiOiJhbm4iLCJzdWJzY3JpcHRpb24iOiJUZWFtIn0=", caller("ann", "Team")),
            (r#"{"sub":"a","sub":"b","subscription":"Team"}"#, caller("b", "Team")),
            (r#"{"sub":"a","sub":7,"subscription":"Team"}"#, caller("", "Team")),
            (r#"{"sub":7,"subscription":null}"#, caller("", "")),
            (r#"{"Sub":"ann"}"#, caller("", "")),
            (r#"{"sub":"ann"} x"#, caller("", "")),
            (r#"{"sub":"ann""#, caller("", "")),
            ("", caller("", "")),
            ("e30", caller("", "")),
            ("!!!", caller("", "")),
        ] {
            assert_eq!(read(header.as_bytes()), want, "{}", header);
        }
    }

    #[test]
    fn never_panics() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                read(&[a, b]);
                read(&[b'{', b'"', a, b, b'"', b':']);
                read(&[b'e', b'y', a, b, b'=']);
            }
        }
    }
}
