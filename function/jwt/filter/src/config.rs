//! The configuration: whose tokens are good, and for whom they must be meant.

use crate::keys::{self, Key};
use crate::members::Members;

pub struct Config {
    pub issuer: String,
    pub audience: String,
    pub keys: Vec<Key>,
    open: Vec<String>,
    mutant: String, // always empty but in mutants
}

impl Config {
    /// Reads docs/formats/jwt-wasm.md strictly.
    pub fn read(text: &[u8]) -> Result<Config, String> {
        let m = Members::read(text)?;
        let mutant = if cfg!(feature = "mutants") { m.string("mutant")?.unwrap_or_default() } else { String::new() };
        let fields = ["issuer", "audience", "jwks", "open", "mutant"];
        let known = if cfg!(feature = "mutants") { &fields[..] } else { &fields[..4] };
        if let Some(name) = m.other_than(known) {
            return Err(format!("no field {}", name));
        }
        let needed = |name: &str| match m.string(name)? {
            Some(t) if !t.is_empty() => Ok(t),
            _ => Err(format!("{} is missing", name)),
        };
        let open: Vec<String> = match m.value("open")? {
            Some(t) => serde_json::from_str(t).map_err(|e| format!("open: {}", e))?,
            None => Vec::new(),
        };
        if let Some(path) = open.iter().find(|p| !p.starts_with('/') || p.contains(&['?', '#'][..])) {
            return Err(format!("open: {} is no path", path));
        }
        let keys = keys::read(&needed("jwks")?).map_err(|e| format!("jwks: {}", e))?;
        Ok(Config { issuer: needed("issuer")?, audience: needed("audience")?, keys, open, mutant })
    }

    /// Whether this check is left out, which only mutants do.
    pub fn skips(&self, check: &str) -> bool {
        cfg!(feature = "mutants") && self.mutant == check
    }

    /// Whether a request for the target needs no token.
    pub fn is_open(&self, target: &[u8]) -> bool {
        let path = target.split(|&c| c == b'?').next().unwrap_or_default();
        self.open.iter().any(|p| p.as_bytes() == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = concat!(
        r#"{"issuer":"i","audience":"a","open":["/open","/"],"jwks":"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","#,
        r#"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"}"#
    );

    #[test]
    fn knows_open_paths() {
        let c = Config::read(GOOD.as_bytes()).unwrap();
        for (target, open) in [("/open", true), ("/open?a", true), ("/?", true), ("/open/", false), ("/OPEN", false), ("", false), ("?/open", false)] {
            assert_eq!(c.is_open(target.as_bytes()), open, "{}", target);
        }
    }

    #[test]
    fn refuses_by_name() {
        for (from, to, why) in [
            ("\"issuer\"", "\"isuer\"", "isuer"),
            ("\"i\"", "\"\"", "issuer"),
            ("\"audience\":\"a\",", "", "audience"),
            ("\"audience\":", "\"issuer\":", "issuer"),
            ("\"a\"", "1", "audience"),
            ("Ed25519", "X25519", "jwks"),
            ("\"/open\"", "\"open\"", "open"),
            ("\"/open\"", "\"/a?b\"", "open"),
            ("[\"/open\",\"/\"]", "\"/open\"", "open"),
            ("}\"}", "}\"", "EOF"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            match Config::read(text.as_bytes()) {
                Ok(_) => panic!("{} is taken", text),
                Err(e) => assert!(e.contains(why), "{}: {}", text, e),
            }
        }
    }
}
