//! Tokens in compact form (RFC 7519): what they say, and whether it is good.

use crate::config::Config;
use crate::members::Members;
use base64ct::{Base64UrlUnpadded, Encoding};

/// How far clocks may differ.
const SKEW_SECONDS: f64 = 1.0;

/// Why a request was refused, in Envoy's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u32,
    pub text: &'static str,
}

const fn unauthorized(text: &'static str) -> Refusal {
    Refusal { status: 401, text }
}

pub const MISSING: Refusal = unauthorized("Jwt is missing");
const NO_FORM: Refusal = unauthorized("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections");
const HEADER_CODE: Refusal = unauthorized("Jwt header is an invalid Base64url encoded");
const HEADER_JSON: Refusal = unauthorized("Jwt header is an invalid JSON");
const NO_ALGORITHM: Refusal = unauthorized("Jwt header [alg] field is required and must be a string");
const PAYLOAD_CODE: Refusal = unauthorized("Jwt payload is an invalid Base64url encoded");
const PAYLOAD_JSON: Refusal = unauthorized("Jwt payload is an invalid JSON");
const SIGNATURE_CODE: Refusal = unauthorized("Jwt signature is an invalid Base64url encoded");
const ISSUER: Refusal = unauthorized("Jwt issuer is not configured");
const NOT_YET: Refusal = unauthorized("Jwt not yet valid");
const EXPIRED: Refusal = unauthorized("Jwt is expired");
const AUDIENCE: Refusal = Refusal { status: 403, text: "Audiences in Jwt are not allowed" };
const NO_KEY: Refusal = unauthorized("Jwks doesn't have key to match kid or alg from Jwt");
const FAILS: Refusal = unauthorized("Jwt verification fails");

/// What becomes of a token: the values of headers; empty: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    pub user: String,
    pub subscription: String,
}

/// Bytes that are written in base64url, without padding and in one way only.
pub fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(std::str::from_utf8(text).ok()?).ok()
}

/// Checks a token, cheap tests first and the signature last, in Envoy's order.
/// The time is in seconds since 1970.
pub fn verify(config: &Config, token: &[u8], now: f64) -> Result<Caller, Refusal> {
    let parts: Vec<&[u8]> = token.split(|&c| c == b'.').collect();
    let (header, payload, signature) = match parts[..] {
        [h, p, s] => (decoded(h).ok_or(HEADER_CODE)?, decoded(p).ok_or(PAYLOAD_CODE)?, decoded(s).ok_or(SIGNATURE_CODE)?),
        _ => return Err(NO_FORM),
    };
    let header = Header::read(&header)?;
    let claims = Claims::read(&payload).map_err(|_| PAYLOAD_JSON)?;
    permits(config, &claims, now)?;
    let text = &token[..token.len() - parts[2].len() - 1];
    signed(config, &header, text, &signature)?;
    Ok(claims.caller)
}

struct Header {
    algorithm: String,
    key: String, // its id; empty: any
}

impl Header {
    fn read(text: &[u8]) -> Result<Header, Refusal> {
        let m = Members::read(text).map_err(|_| HEADER_JSON)?;
        if !matches!(m.value("crit"), Ok(None)) {
            return Err(HEADER_JSON); // RFC 7515, 4.1.11: no extension is understood
        }
        let text = |name| m.string(name).map_err(|_| HEADER_JSON).map(Option::unwrap_or_default);
        let h = Header { algorithm: text("alg")?, key: text("kid")? };
        if h.algorithm.is_empty() {
            return Err(NO_ALGORITHM);
        }
        Ok(h)
    }
}

struct Claims {
    issuer: String,
    ends: Option<f64>,
    begins: f64,
    audiences: Vec<String>,
    caller: Caller,
}

impl Claims {
    fn read(text: &[u8]) -> Result<Claims, String> {
        let m = Members::read(text)?;
        Ok(Claims {
            issuer: m.string("iss")?.unwrap_or_default(),
            ends: time(&m, "exp")?,
            begins: time(&m, "nbf")?.unwrap_or_default(),
            audiences: audiences(m.value("aud")?)?,
            caller: Caller { user: header_value(&m, "sub")?, subscription: header_value(&m, "subscription")? },
        })
    }
}

/// A NumericDate (RFC 7519, 2).
fn time(m: &Members, name: &str) -> Result<Option<f64>, String> {
    let text = match m.value(name)? {
        Some(t) => t,
        None => return Ok(None),
    };
    match text.parse::<f64>() {
        Ok(n) if n >= 0.0 && n.is_finite() => Ok(Some(n)),
        _ => Err(format!("{} is no time", name)),
    }
}

/// The claim aud, a string or a list of them; anything else names nobody.
fn audiences(text: Option<&str>) -> Result<Vec<String>, String> {
    match text {
        Some(t) if t.starts_with('"') => serde_json::from_str(t).map(|one| vec![one]).map_err(|e| e.to_string()),
        Some(t) => Ok(serde_json::from_str::<Vec<Option<String>>>(t).unwrap_or_default().into_iter().flatten().collect()),
        None => Ok(Vec::new()),
    }
}

/// A claim that becomes a header: a string, a number or a truth value. Anything
/// else makes no header. A text that could end the header or begin another one
/// is refused.
fn header_value(m: &Members, name: &str) -> Result<String, String> {
    let text = match m.value(name)? {
        Some(t) => t,
        None => return Ok(String::new()),
    };
    let value = match text.as_bytes()[0] {
        b'{' | b'[' | b'n' => String::new(),
        b'"' => m.string(name)?.unwrap_or_default(),
        _ => text.into(),
    };
    if value.bytes().any(|c| c < b' ' || c == 0x7f) {
        return Err(format!("{} has a control character", name));
    }
    Ok(value)
}

/// Checks what the claims say, without which the signature need not be looked
/// at.
fn permits(config: &Config, c: &Claims, now: f64) -> Result<(), Refusal> {
    if c.issuer != config.issuer && !config.skips("issuer") {
        return Err(ISSUER);
    }
    if now + SKEW_SECONDS < c.begins && !config.skips("not before") {
        return Err(NOT_YET);
    }
    match c.ends {
        Some(end) if now > end + SKEW_SECONDS && !config.skips("expiry") => return Err(EXPIRED),
        None if !config.skips("expiry") => return Err(FAILS),
        _ => {}
    }
    if !c.audiences.contains(&config.audience) && !config.skips("audience") {
        return Err(AUDIENCE);
    }
    Ok(())
}

/// Checks the signature with each key that may have made it.
fn signed(config: &Config, header: &Header, text: &[u8], signature: &[u8]) -> Result<(), Refusal> {
    if config.skips("algorithm") && header.algorithm.eq_ignore_ascii_case("none") {
        return Ok(());
    }
    let mut why = NO_KEY;
    for k in &config.keys {
        let of_id = header.key.is_empty() || k.id.is_empty() || k.id == header.key || config.skips("key id");
        if header.algorithm != k.algorithm() || !of_id {
            continue;
        }
        if k.signed(text, signature) || config.skips("signature") {
            return Ok(());
        }
        why = FAILS;
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_is_written_in_one_way() {
        for (text, want) in [
            ("", Some("")), ("Zg", Some("f")), ("Zm8", Some("fo")), ("Zm9v", Some("foo")), ("fn5-", Some("~~~")), ("Pz8_", Some("???")),
            ("Zg==", None), ("Zh", None), ("Zm9", None), ("Z", None), ("fn5+", None), ("Pz8/", None), ("Zm 9v", None), ("Zm9v\n", None), ("é", None),
        ] {
            assert_eq!(decoded(text.as_bytes()).as_deref(), want.map(str::as_bytes), "{}", text);
        }
        assert_eq!(decoded(b"\xff\xff"), None);
    }

    fn config() -> Config {
        const KEYS: &str = concat!(
            r#"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k1\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","#,
            r#"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"#
        );
        Config::read(format!(r#"{{"issuer":"i","audience":"a","jwks":"{}"}}"#, KEYS).as_bytes()).unwrap()
    }

    fn says(header: &str, payload: &str) -> &'static str {
        let e = Base64UrlUnpadded::encode_string;
        let token = format!("{}.{}.AAAA", e(header.as_bytes()), e(payload.as_bytes()));
        verify(&config(), token.as_bytes(), 100.0).expect_err("a token without signature is good").text
    }

    #[test]
    fn refuses_in_order() {
        const H: &str = r#"{"alg":"ES256"}"#;
        const P: &str = r#"{"iss":"i","aud":["x","a"],"exp":100,"nbf":100}"#;
        for (header, payload, want) in [
            (H, P, FAILS),
            (r#"{"alg":"ES256","kid":"k1"}"#, P, FAILS),
            (r#"{"alg":"ES256","kid":"k2"}"#, P, NO_KEY),
            (r#"{"alg":"none"}"#, P, NO_KEY),
            (r#"{"alg":"None"}"#, P, NO_KEY),
            (r#"{"alg":"HS256"}"#, P, NO_KEY),
            (r#"{"alg":"RS256"}"#, P, NO_KEY),
            ("{}", P, NO_ALGORITHM),
            (r#"{"alg":1}"#, P, HEADER_JSON),
            (r#"{"alg":"ES256","alg":"ES256"}"#, P, HEADER_JSON),
            (r#"{"alg":"ES256","crit":["b64"]}"#, P, HEADER_JSON),
            ("[]", P, HEADER_JSON),
            (H, "[]", PAYLOAD_JSON),
            (H, r#"{"iss":"x","aud":"a","exp":100}"#, ISSUER),
            (H, r#"{"aud":"a","exp":100}"#, ISSUER),
            (H, r#"{"iss":"i","aud":"a","exp":98}"#, EXPIRED),
            (H, r#"{"iss":"i","aud":"a","exp":99}"#, FAILS),
            (H, r#"{"iss":"i","aud":"a","exp":1e400}"#, PAYLOAD_JSON),
            (H, r#"{"iss":"i","aud":"a","exp":-1}"#, PAYLOAD_JSON),
            (H, r#"{"iss":"i","aud":"a","exp":"100"}"#, PAYLOAD_JSON),
            (H, r#"{"iss":"i","aud":"a","exp":100,"exp":100}"#, PAYLOAD_JSON),
            (H, r#"{"iss":"i","aud":"a"}"#, FAILS),
            (H, r#"{"iss":"i","aud":"a","exp":100,"nbf":102}"#, NOT_YET),
            (H, r#"{"iss":"i","aud":"a","exp":100,"nbf":101}"#, FAILS),
            (H, r#"{"iss":"i","aud":"x","exp":100}"#, AUDIENCE),
            (H, r#"{"iss":"i","aud":[],"exp":100}"#, AUDIENCE),
            (H, r#"{"iss":"i","aud":{"a":1},"exp":100}"#, AUDIENCE),
            (H, r#"{"iss":"i","exp":100}"#, AUDIENCE),
            (H, r#"{"iss":"i","aud":"a","exp":100,"sub":"a\r\nb"}"#, PAYLOAD_JSON),
            (H, r#"{"iss":"i","aud":"a","exp":100,"sub":"a","sub":"b"}"#, PAYLOAD_JSON),
        ] {
            assert_eq!(says(header, payload), want.text, "{} {}", header, payload);
        }
    }

    #[test]
    fn reads_callers() {
        for (payload, user, subscription) in [
            (r#"{"sub":"ann","subscription":"Team"}"#, "ann", "Team"),
            (r#"{"sub":"a\u006e\u00e9","subscription":7.50}"#, "ané", "7.50"),
            (r#"{"sub":true,"subscription":["Team"]}"#, "true", ""),
            (r#"{"sub":null,"x":{"sub":"eve"}}"#, "", ""),
        ] {
            let c = Claims::read(payload.as_bytes()).unwrap().caller;
            assert_eq!(c, Caller { user: user.into(), subscription: subscription.into() });
        }
    }

    #[test]
    fn never_panics() {
        let c = config();
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                assert!(verify(&c, &[a, b, b'.', b, a, b'.', b], 0.0).is_err());
                assert!(verify(&c, &[b'e', b'3', b'0', b'.', a, b, b'.'], 0.0).is_err());
            }
        }
    }
}
