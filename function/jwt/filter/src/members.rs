//! The members of a JSON object, each with the text of its value.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Names and values in the order of the text; a name may be there twice.
pub struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads a text that is one object and nothing else.
    pub fn read(text: &'a [u8]) -> Result<Members<'a>, String> {
        let text = std::str::from_utf8(text).map_err(|e| e.to_string())?;
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    /// The text of a value; None where there is no member of the name. A second
    /// one is ambiguous, and an error.
    pub fn value(&self, name: &str) -> Result<Option<&'a str>, String> {
        let mut of_name = self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.get());
        let first = of_name.next();
        match of_name.next() {
            Some(_) => Err(format!("{} is there twice", name)),
            None => Ok(first),
        }
    }

    /// A member that is a string, as it was before it was written in JSON.
    pub fn string(&self, name: &str) -> Result<Option<String>, String> {
        match self.value(name)? {
            Some(text) => serde_json::from_str(text).map(Some).map_err(|e| format!("{}: {}", name, e)),
            None => Ok(None),
        }
    }

    /// The first name that is not one of these.
    pub fn other_than(&self, names: &[&str]) -> Option<&str> {
        self.0.iter().map(|(n, _)| &n[..]).find(|n| !names.contains(n))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(member) = map.next_entry()? {
            all.push(member);
        }
        Ok(Members(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_members() {
        let text = br#" {"a":1.50, "b" : {"a":[2,"}"]},"\u0063":"\u0078\n","d":1,"d":2} "#;
        let m = Members::read(text).unwrap();
        assert_eq!(m.value("a"), Ok(Some("1.50")));
        assert_eq!(m.value("b"), Ok(Some(r#"{"a":[2,"}"]}"#)));
        assert_eq!(m.string("c"), Ok(Some("x\n".into())));
        assert_eq!(m.value("e"), Ok(None));
        assert!(m.value("d").is_err() && m.string("a").is_err());
        assert_eq!(m.other_than(&["a", "b", "d"]), Some("c"));
    }

    #[test]
    fn takes_objects_and_nothing_else() {
        for bad in ["", "{", "[]", "1", "null", "\"a\"", "{} {}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}"] {
            assert!(Members::read(bad.as_bytes()).is_err(), "{}", bad);
        }
        assert!(Members::read(b"{\"a\":\"\xff\"}").is_err());
        let deep = [&b"{\"a\":"[..], &vec![b'['; 100_000]].concat();
        assert!(Members::read(&deep).is_err());
    }
}
