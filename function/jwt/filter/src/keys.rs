//! Public keys, from a JSON Web Key Set (RFC 7517), and signatures by them.

use crate::members::Members;
use crate::token::decoded;
use ed25519_dalek::VerifyingKey as Edwards;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::VerifyingKey as Point;
use rsa::{BigUint, Pkcs1v15Sign, PublicKey, PublicKeyParts, RsaPublicKey};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// A key and the one algorithm that it is for: what a token names is compared
/// with it, so that a token cannot choose its check.
pub struct Key {
    pub id: String, // empty: for tokens of any key id
    public: Public,
}

enum Public {
    Point(Point),
    Modulus(RsaPublicKey),
    Edwards(Edwards),
}

/// The sizes of RSA keys that are taken, in bytes: what is shorter can be
/// broken, what is longer is a burden for every request.
const LEAST_MODULUS: usize = 256;
const MOST_MODULUS: usize = 1024;

/// Reads a key set. A key that is for something else is an error: a check that
/// silently has fewer keys than it was given refuses good tokens.
pub fn read(text: &str) -> Result<Vec<Key>, String> {
    let set = Members::read(text.as_bytes())?;
    let keys = set.value("keys")?.ok_or("no keys")?;
    let keys: Vec<&RawValue> = serde_json::from_str(keys).map_err(|e| format!("keys: {}", e))?;
    if keys.is_empty() {
        return Err("no keys".into());
    }
    keys.iter().enumerate().map(|(i, k)| key(k.get()).map_err(|why| format!("key {}: {}", i, why))).collect()
}

fn key(text: &str) -> Result<Key, String> {
    let m = Members::read(text.as_bytes())?;
    let text = |name: &str| m.string(name).map(Option::unwrap_or_default);
    if !text("d")?.is_empty() || !text("k")?.is_empty() {
        return Err("is a private key: a key set for checking holds public keys only".into());
    }
    let bytes = |name: &str| decoded(text(name)?.as_bytes()).ok_or(format!("{} is not in base64url", name));
    let (kind, curve) = (text("kty")?, text("crv")?);
    let public = match (&kind[..], &curve[..]) {
        ("EC", "P-256") => point(&bytes("x")?, &bytes("y")?).map(Public::Point),
        ("RSA", "") => modulus(&bytes("n")?, &bytes("e")?).map(Public::Modulus),
        ("OKP", "Ed25519") => edwards(&bytes("x")?).map(Public::Edwards),
        _ => Err(format!("kty {:?}, crv {:?}: want EC on P-256, RSA or OKP on Ed25519", kind, curve)),
    }?;
    let key = Key { id: text("kid")?, public };
    let (algorithm, usage) = (text("alg")?, text("use")?);
    if !(algorithm.is_empty() || algorithm == key.algorithm()) || !(usage.is_empty() || usage == "sig") {
        return Err(format!("alg {:?}, use {:?}: want {} and sig, or neither", algorithm, usage, key.algorithm()));
    }
    Ok(key)
}

fn point(x: &[u8], y: &[u8]) -> Result<Point, String> {
    if (x.len(), y.len()) != (32, 32) {
        return Err("a coordinate is not of 32 bytes".into());
    }
    Point::from_sec1_bytes(&[&[4], x, y].concat()).map_err(|_| "the point is not on the curve".into())
}

fn modulus(n: &[u8], e: &[u8]) -> Result<RsaPublicKey, String> {
    if n.len() < LEAST_MODULUS || n.len() > MOST_MODULUS || n[0] == 0 {
        return Err(format!("a modulus of {} bytes: want {} to {}", n.len(), LEAST_MODULUS, MOST_MODULUS));
    }
    let exponent = BigUint::from_bytes_be(e);
    if e.len() > 4 || exponent < BigUint::from(3u8) || e.last().map_or(true, |b| b % 2 == 0) {
        return Err("the exponent is not an odd number from 3 on".into());
    }
    RsaPublicKey::new_with_max_size(BigUint::from_bytes_be(n), exponent, 8 * MOST_MODULUS).map_err(|e| e.to_string())
}

fn edwards(bytes: &[u8]) -> Result<Edwards, String> {
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| "a public key is not of 32 bytes")?;
    let key = Edwards::from_bytes(&bytes).map_err(|e| e.to_string())?;
    if key.is_weak() {
        return Err("a weak key: anyone can sign with it".into());
    }
    Ok(key)
}

impl Key {
    pub fn algorithm(&self) -> &'static str {
        match self.public {
            Public::Point(_) => "ES256",
            Public::Modulus(_) => "RS256",
            Public::Edwards(_) => "EdDSA",
        }
    }

    /// Whether the key made the signature of the text.
    pub fn signed(&self, text: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Point(k) => p256::ecdsa::Signature::try_from(signature).map_or(false, |s| k.verify(text, &s).is_ok()),
            // The crate takes shorter signatures, and those beyond the modulus.
            Public::Modulus(k) => {
                signature.len() == k.size()
                    && BigUint::from_bytes_be(signature) < *k.n()
                    && k.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(text), signature).is_ok()
            }
            Public::Edwards(k) => ed25519_dalek::Signature::from_slice(signature).map_or(false, |s| k.verify_strict(text, &s).is_ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7515 A.3 and RFC 8037 A.4, and for RSA what Go's crypto/rsa made with a
    // key that is forgotten.
    const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const MODULUS: &str = concat!(
        "tzhJcDY6ttg2vOzuRNN_y9QPlIopX27Ui-u1KIyr39r3pcdQsBPlg0zIvgmNPDxsm1QC_ceFN4CB_fdMGdtha39DKqdECTGMf_yHRvv9OZ5GhgEbkFcoAL_VbT5aMq97bBXb1JnByDpeZuim8IwfLYAg2u7y39O1kB6gfC0wP8u",
        "Xf-kwg5wp0gwaLmAtp1B4lmak3LzfGp5IAHW_VH1J7MjRnbO824V6gNDYvybvFHflokwRiPhMnJYqhaVGTpA03fvKGn2iB2ucFAWRNyjZek5gsVfb8zTxp0BZtseAgdTbq4bIvFpZMHIyDtZbJuIBFx21_o1M6ywTceLcwyM6fw"
    );
    const BY_MODULUS: &str = concat!(
        "M3cElPAvs-b311N8z9sbzL-ojPJYcTAZ2oYrrT-yYNXGS-aBEpR8JDkPtNk1OrCzmUqlCsxD92NAD_hbWlWHOXCTnEpXWXUE4msdxwg64MlLxlqyOYiI5YeOWRaMVBtoQxBgh53AFsvcnRqn_c1ZUOLsRLPmXLbl9C26wI9cEdP",
        "Lju2nHdtCy8j5oFEscX1H6Lbfj5jXsG-Y5vge6TdQvHYFm1537PpAJ2I_XalKOFlgRmh1fDiurotuTt9rqgIWcImFdZz320qHkE4-1HovUWqAeHP-UY30J-xVJaKj1Aa054Co8QvvUnRTRIUbcRuVjF6JRoUzsAaUSGMJcEP-PA"
    );
    const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const OKP: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn rsa() -> String {
        format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, MODULUS)
    }

    fn one(key: &str) -> Result<Key, String> {
        read(&format!(r#"{{"keys":[{}]}}"#, key)).map(|mut all| all.remove(0))
    }

    #[test]
    fn verifies_signatures_of_others() {
        for (key, algorithm, text, signature) in [
            (EC.to_string(), "ES256", format!("eyJhbGciOiJFUzI1NiJ9.{}", JOE), "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
            (rsa(), "RS256", "text".into(), BY_MODULUS),
            (OKP.to_string(), "EdDSA", "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".into(), "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"),
        ] {
            let key = one(&key).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            let good = decoded(signature.as_bytes()).unwrap();
            assert!(key.signed(text.as_bytes(), &good), "{}", algorithm);
            assert!(!key.signed(format!("{}x", text).as_bytes(), &good), "{}: another text", algorithm);
            for i in 0..good.len() {
                let mut bad = good.clone();
                bad[i] ^= 1;
                assert!(!key.signed(text.as_bytes(), &bad), "{}: byte {} changed", algorithm, i);
            }
            for bad in [&[][..], &good[1..], &good[..good.len() - 1], &[&[0], &good[..]].concat(), &vec![0; good.len()], &vec![255; good.len()]] {
                assert!(!key.signed(text.as_bytes(), bad), "{}: {} bytes", algorithm, bad.len());
            }
        }
    }

    /// A signature with the modulus added is the same number to the arithmetic;
    /// only the smaller is taken.
    #[test]
    fn takes_no_signature_beyond_the_modulus() {
        let key = one(&rsa()).unwrap();
        let n = BigUint::from_bytes_be(&decoded(MODULUS.as_bytes()).unwrap());
        let beyond = BigUint::from_bytes_be(&decoded(BY_MODULUS.as_bytes()).unwrap()) + n;
        assert_eq!(beyond.bits(), 2048);
        assert!(!key.signed(b"text", &beyond.to_bytes_be()));
    }

    #[test]
    fn refuses_keys() {
        let ec = |from: &str, to: &str| EC.replace(from, to);
        for (key, why) in [
            (ec("{", r#"{"d":"AAAA","#), "private"),
            (r#"{"kty":"oct","k":"AAAA"}"#.into(), "private"),
            (ec("P-256", "P-384"), "P-384"),
            (ec("{", r#"{"alg":"RS256","#), "alg"),
            (ec("{", r#"{"use":"enc","#), "use"),
            (ec("f83O", "f83P"), "on the curve"),
            (ec("f83O", "AAAAf83O"), "32 bytes"),
            (ec("f83O", "f8+O"), "base64url"),
            (ec("{", r#"{"kty":"EC","#), "twice"),
            (ec(r#""EC""#, "1"), "kty"),
            (rsa().replace("AQAB", "AQAA"), "exponent"),
            (rsa().replace("AQAB", "AQ"), "exponent"),
            (rsa().replace("AQAB", ""), "exponent"),
            (rsa().replace(MODULUS, &MODULUS[..40]), "modulus"),
            (OKP.replace("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", &"A".repeat(43)), "weak"),
            (OKP.replace("11qY", ""), "32 bytes"),
        ] {
            match one(&key) {
                Ok(_) => panic!("{} is taken", key),
                Err(e) => assert!(e.contains(why), "{}: {}", key, e),
            }
        }
        for set in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":{}}"#, r#"{"keys":[1]}"#, "[]"] {
            assert!(read(set).is_err(), "{}", set);
        }
    }
}
