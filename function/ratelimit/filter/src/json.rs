//! A strict reader of JSON, as much of it as the filter needs.

/// Objects and lists may be nested so deep.
const DEEPEST: usize = 32;

/// Reads values from a text, one after the other. Errors say where, in bytes
/// from the beginning.
pub struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a [u8]) -> Reader<'a> {
        Reader { text, at: 0, depth: 0 }
    }

    pub fn wrong<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("byte {}: {}", self.at, what))
    }

    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn accept(&mut self, c: u8) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, c: u8) -> Result<(), String> {
        if self.accept(c) {
            return Ok(());
        }
        self.wrong(&format!("no {} here", c as char))
    }

    /// The text ends here.
    pub fn end(&mut self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.wrong("something follows the value"),
        }
    }

    /// Reads an object; `field` reads the value of each name.
    pub fn object(&mut self, mut field: impl FnMut(&mut Self, &[u8]) -> Result<(), String>) -> Result<(), String> {
        self.nested(b'{', b'}', |r| {
            let name = r.string()?;
            r.expect(b':')?;
            field(r, &name)
        })
    }

    /// Reads a list; `item` reads each value.
    pub fn list(&mut self, item: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        self.nested(b'[', b']', item)
    }

    fn nested(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        self.expect(open)?;
        if self.depth == DEEPEST {
            return self.wrong("nested too deep");
        }
        self.depth += 1;
        if !self.accept(close) {
            loop {
                item(self)?;
                if self.accept(close) {
                    break;
                }
                self.expect(b',')?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Whether a string comes next.
    pub fn at_string(&mut self) -> bool {
        self.peek() == Some(b'"')
    }

    /// Reads a string; it is valid UTF-8.
    pub fn string(&mut self) -> Result<Vec<u8>, String> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            let c = self.byte()?;
            match c {
                b'"' => break,
                b'\\' => self.escape(&mut text)?,
                0..=31 => return self.wrong("a control character in a string"),
                _ => text.push(c),
            }
        }
        if std::str::from_utf8(&text).is_err() {
            return self.wrong("a string that is not UTF-8");
        }
        Ok(text)
    }

    fn byte(&mut self) -> Result<u8, String> {
        match self.text.get(self.at) {
            Some(&c) => {
                self.at += 1;
                Ok(c)
            }
            None => self.wrong("the text ends too early"),
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), String> {
        let c = match self.byte()? {
            c @ (b'"' | b'\\' | b'/') => c as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.code_point()?,
            _ => return self.wrong("no such escape"),
        };
        text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn code_point(&mut self) -> Result<char, String> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                if self.byte()? != b'\\' || self.byte()? != b'u' {
                    return self.wrong("half of a surrogate pair");
                }
                let second = self.hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return self.wrong("half of a surrogate pair");
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        match char::from_u32(code) {
            Some(c) => Ok(c),
            None => self.wrong("half of a surrogate pair"),
        }
    }

    fn hex(&mut self) -> Result<u32, String> {
        let mut n = 0;
        for _ in 0..4 {
            match (self.byte()? as char).to_digit(16) {
                Some(d) => n = n * 16 + d,
                None => return self.wrong("no hexadecimal digit"),
            }
        }
        Ok(n)
    }

    /// Reads a value of any kind and forgets it.
    pub fn skip(&mut self) -> Result<(), String> {
        match self.peek() {
            Some(b'{') => self.object(|r, _| r.skip()),
            Some(b'[') => self.list(|r| r.skip()),
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn digits(&mut self) -> Result<(), String> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.text.get(self.at) {
            self.at += 1;
        }
        if self.at == start {
            return self.wrong("no digit");
        }
        Ok(())
    }

    fn next_is(&mut self, any: &[u8]) -> bool {
        let found = self.text.get(self.at).map_or(false, |c| any.contains(c));
        self.at += usize::from(found);
        found
    }

    fn number(&mut self) -> Result<(), String> {
        self.next_is(b"-");
        if !self.next_is(b"0") {
            self.digits()?;
        }
        if self.next_is(b".") {
            self.digits()?;
        }
        if self.next_is(b"eE") {
            self.next_is(b"+-");
            self.digits()?;
        }
        Ok(())
    }

    fn word(&mut self) -> Result<(), String> {
        for word in ["true", "false", "null"] {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(());
            }
        }
        self.wrong("no value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(text: &[u8]) -> bool {
        let mut r = Reader::new(text);
        r.skip().and_then(|_| r.end()).is_ok()
    }

    #[test]
    fn takes_json_and_nothing_else() {
        for good in [
            "0", "-0", "10", "1.5e+3", "1E9", "true", " null ", "\"\"", "[]", "{}", "[1, [2],\n{\"a\":{}}]",
            r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#, "\"é\"",
        ] {
            assert!(valid(good.as_bytes()), "{}", good);
        }
        for bad in [
            "", " ", "-", "01", "1.", ".5", "1e", "+1", "tru", "nul", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"",
            "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"", "[", "[1", "[1,", "[1,]", "[,1]", "{", "{\"a\"", "{\"a\":", "{\"a\":1,}", "{a:1}", "{1:1}",
            "[}", "1 2", "[] ]", "NaN",
        ] {
            assert!(!valid(bad.as_bytes()), "{}", bad);
        }
        assert!(!valid(b"\"\xff\""));
        assert!(valid(&[vec![b'['; 32], vec![b']'; 32]].concat()));
        assert!(!valid(&[vec![b'['; 33], vec![b']'; 33]].concat()));
        assert!(!valid(&vec![b'['; 1_000_000]));
    }

    #[test]
    fn reads_strings() {
        for (text, want) in [(r#""a b""#, "a b"), (r#""\u0041\n\"\u00e9\ud83d\ude00""#, "A\n\"é😀"), ("\"é\"", "é")] {
            assert_eq!(Reader::new(text.as_bytes()).string().as_deref(), Ok(want.as_bytes()));
        }
    }

    // Every text of four bytes of JSON's own alphabet, and every beginning of
    // a longer one: no panic.
    #[test]
    fn never_panics() {
        let alphabet = b"{}[]\",:\\u0e-.tn \xff";
        let n = alphabet.len();
        for i in 0..n.pow(4) {
            let text: Vec<u8> = (0..4).map(|k| alphabet[i / n.pow(k) % n]).collect();
            valid(&text);
        }
        let long = r#"{"a":[1,-2.5e7,{"b":"\u00e9\ud83d\ude00\n"}],"c":null}"#;
        for end in 0..long.len() {
            assert!(!valid(&long.as_bytes()[..end]));
        }
    }
}
