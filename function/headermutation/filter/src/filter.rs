//! The changes.

use crate::lines;
use crate::proxy::{Of, Proxy};

pub struct Filter {
    changes: Vec<Change>,
}

struct Change {
    of: Of,
    op: Op,
    name: Vec<u8>,
    value: Vec<u8>,
}

enum Op {
    Set,
    Append,
    Remove,
}

impl Filter {
    /// Reads "request OP NAME VALUE" and "response OP NAME VALUE".
    pub fn new(config: &[u8]) -> Result<Filter, String> {
        let changes = lines::read(config, "header-mutation")?.iter().map(|words| change(words)).collect::<Result<_, _>>()?;
        Ok(Filter { changes })
    }

    pub fn request(&self, p: &impl Proxy) {
        self.apply(p, Of::Request);
    }

    pub fn response(&self, p: &impl Proxy) {
        self.apply(p, Of::Response);
    }

    fn apply(&self, p: &impl Proxy, of: Of) {
        for c in self.changes.iter().filter(|c| c.of == of) {
            match c.op {
                Op::Set => p.set(of, &c.name, &c.value),
                Op::Append => p.add(of, &c.name, &c.value),
                Op::Remove => p.remove(of, &c.name),
            }
        }
    }
}

fn change(words: &[Vec<u8>]) -> Result<Change, String> {
    let (of, op, name, value) = match words {
        [of, op, name, value] => (of, op, name, value),
        _ => return Err(format!("{} words in a line, not 4", words.len())),
    };
    let of = match &of[..] {
        b"request" => Of::Request,
        b"response" => Of::Response,
        _ => return Err("a line begins neither with request nor with response".into()),
    };
    let op = match &op[..] {
        b"set" => Op::Set,
        b"append" => Op::Append,
        b"remove" => Op::Remove,
        _ => return Err("a change is neither set, append nor remove".into()),
    };
    if !name.is_ascii() {
        return Err("a name is not ASCII".into());
    }
    Ok(Change { of, op, name: name.clone(), value: value.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[derive(Default)]
    struct Told(RefCell<Vec<String>>);

    impl Told {
        fn tell(&self, what: &str, of: Of, name: &[u8], value: &[u8]) {
            self.0.borrow_mut().push(format!("{} {:?} {}={}", what, of, String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
        }
    }

    impl Proxy for Told {
        fn values(&self, _: &str) -> Vec<Vec<u8>> {
            panic!("nothing has to be read")
        }
        fn set(&self, of: Of, name: &[u8], value: &[u8]) {
            self.tell("set", of, name, value)
        }
        fn add(&self, of: Of, name: &[u8], value: &[u8]) {
            self.tell("add", of, name, value)
        }
        fn remove(&self, of: Of, name: &[u8]) {
            self.tell("remove", of, name, b"")
        }
        fn clear_route(&self) {
            panic!("no route is chosen")
        }
    }

    #[test]
    fn changes_in_order() {
        let f = Filter::new(b"header-mutation\nrequest\tset\ta\t1\nresponse\tremove\tb\t\nrequest\tappend\tc\t\n").unwrap();
        let told = Told::default();
        f.request(&told);
        f.response(&told);
        assert_eq!(*told.0.borrow(), ["set Request a=1", "add Request c=", "remove Response b="]);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in ["request\tset\ta", "both\tset\ta\tb", "request\tdouble\ta\tb", "request\tset\t\u{e9}\tb"] {
            assert!(Filter::new(format!("header-mutation\n{}\n", line).as_bytes()).is_err(), "{}", line);
        }
        assert!(Filter::new(b"other\n").is_err());
    }
}
