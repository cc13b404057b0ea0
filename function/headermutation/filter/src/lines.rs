//! A filter's configuration: the function's id in the first line, then a line
//! for each list of words, with tabs between. (package guest writes it.)

/// The lists of words of a configuration that begins with the id.
pub fn read(text: &[u8], id: &str) -> Result<Vec<Vec<Vec<u8>>>, String> {
    let mut lines = text.split(|&c| c == b'\n');
    if lines.next() != Some(id.as_bytes()) {
        return Err(format!("the first line is not {}", id));
    }
    Ok(lines.filter(|l| !l.is_empty()).map(|l| l.split(|&c| c == b'\t').map(unescaped).collect()).collect())
}

/// A word as it was: a backslash stands before a backslash, t for a tab and n
/// for the end of a line.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let (mut out, mut escaped) = (Vec::with_capacity(word.len()), false);
    for &c in word {
        match (escaped, c) {
            (false, b'\\') => {
                escaped = true;
                continue;
            }
            (true, b't') => out.push(b'\t'),
            (true, b'n') => out.push(b'\n'),
            _ => out.push(c),
        }
        escaped = false;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_words() {
        let got = read(b"x\na\t\\t\\\\\\n\t\nb\n", "x").unwrap();
        assert_eq!(got, [vec![b"a".to_vec(), b"\t\\\n".to_vec(), b"".to_vec()], vec![b"b".to_vec()]]);
        assert!(read(b"y\n", "x").is_err());
        assert!(read(b"", "x").is_err());
    }
}
