//! A token bucket, and how requests draw from one that many draw from.

/// An allowance in the units in which nothing is rounded: time runs `gain`
/// units a nanosecond, a token is worth `token` units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub tokens: u32, // capacity
    gain: i64,
    token: i64,
    full: i64,      // units of a full bucket
    fill_time: u64, // ns from empty to full, rounded up
}

pub const MOST_TOKENS: u32 = 1_000_000_000;

/// Levels are added to what is gained, so each has but a part of the range.
const ROOM: i64 = i64::MAX / 4;

impl Limit {
    /// A bucket that holds `tokens` and gains as many in every `per`, ns.
    /// None: it cannot be counted without rounding.
    pub fn new(tokens: u32, per: i64) -> Option<Limit> {
        if !(1..=MOST_TOKENS).contains(&tokens) || per < 1 {
            return None;
        }
        let whole = i64::from(tokens);
        let divisor = gcd(whole, per);
        let (gain, token) = (whole / divisor, per / divisor);
        if whole > ROOM / token {
            return None;
        }
        let full = whole * token;
        let fill_time = ((full + gain - 1) / gain) as u64;
        Some(Limit { tokens, gain, token, full, fill_time })
    }
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// What a bucket said to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    pub limit: u32,
    pub remaining: u32, // whole tokens left
    pub next: i64,      // ns until a token is there, 0 when one is
}

impl Decision {
    fn new(limit: &Limit, allowed: bool, level: i64) -> Decision {
        let next = if level < limit.token {
            (limit.token - level + limit.gain - 1) / limit.gain
        } else {
            0
        };
        Decision { allowed, limit: limit.tokens, remaining: (level / limit.token) as u32, next }
    }
}

/// A bucket at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    level: i64, // units
    at: u64,    // ns on the host's clock
}

const SIZE: usize = 16;

impl Bucket {
    fn read(bytes: &[u8], limit: &Limit) -> Option<Bucket> {
        if bytes.len() != SIZE {
            return None;
        }
        let (mut level, mut at) = ([0; 8], [0; 8]);
        level.copy_from_slice(&bytes[..8]);
        at.copy_from_slice(&bytes[8..]);
        let level = i64::from_le_bytes(level).clamp(0, limit.full);
        Some(Bucket { level, at: u64::from_le_bytes(at) })
    }

    fn bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[..8].copy_from_slice(&self.level.to_le_bytes());
        bytes[8..].copy_from_slice(&self.at.to_le_bytes());
        bytes
    }

    /// The bucket at the given time. If the clock was set back, nothing was
    /// gained, and it gains from now on.
    fn refilled(self, limit: &Limit, now: u64) -> Bucket {
        let gap = now.saturating_sub(self.at);
        let level = if gap >= limit.fill_time {
            limit.full
        } else {
            limit.full.min(self.level + gap as i64 * limit.gain)
        };
        Bucket { level, at: now }
    }
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Yes,
    Changed, // no: the value is no longer the one that was read
}

/// The host has a fault, or no room for another bucket: its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure(pub u32);

/// Where buckets are, and the clock.
pub trait Host {
    /// The value of a key and the stamp that it must still have when it is
    /// replaced. None: there is none.
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Failure>;
    /// Replaces a value if it still has the stamp. A key that is not there is
    /// made, whatever the stamp.
    fn set(&self, key: &[u8], value: &[u8], stamp: u32) -> Result<Written, Failure>;
    /// Nanoseconds since 1970.
    fn now(&self) -> u64;
}

/// A stamp that no value is given: hosts count stamps from 1. A write with it
/// makes a key that is not there, and fails on one that is. (A write with the
/// stamp 0 would succeed on both, and take back what another worker had just
/// written.)
pub const ABSENT: u32 = u32::MAX;

/// How often a request tries to write its bucket. A try fails only because
/// another request drew a token in the same instant, so a bucket is empty
/// before many tries have failed, and the request is then refused rightly.
/// Only in buckets of more tokens than this can it be refused while one was
/// left, which keeps the limit.
const TRIES: usize = 1000;

/// Draws a token from the bucket of the key if there is one.
///
/// It is exact under concurrency. The order matters: the bucket is read first
/// and the clock after it, so a write that succeeds says that the bucket did
/// not change in between, and that the decision was right at the instant of
/// the clock's reading. A refusal writes nothing: whatever others did since
/// left no more tokens than were seen.
pub fn take(host: &impl Host, key: &[u8], limit: &Limit) -> Result<Decision, Failure> {
    let mut level = 0;
    for _ in 0..TRIES {
        let (found, stamp) = match host.get(key)? {
            Some((bytes, stamp)) => (Bucket::read(&bytes, limit), stamp),
            None => (None, ABSENT),
        };
        let now = host.now();
        let set_back = found.map_or(false, |b| b.at > now);
        let mut bucket = found.map_or(Bucket { level: limit.full, at: now }, |b| b.refilled(limit, now));
        level = bucket.level;
        let allowed = level >= limit.token;
        if allowed {
            bucket.level -= limit.token;
        } else if !set_back {
            return Ok(Decision::new(limit, false, level));
        }
        if host.set(key, &bucket.bytes(), stamp)? == Written::Yes {
            return Ok(Decision::new(limit, allowed, bucket.level));
        }
    }
    Ok(Decision::new(limit, false, level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::collections::HashMap;

    const SECOND: i64 = 1_000_000_000;
    const MINUTE: i64 = 60 * SECOND;

    /// A host whose clock stands until it is set, and in which another worker
    /// may draw between a reading and a writing.
    #[derive(Default)]
    struct Fake {
        data: RefCell<HashMap<Vec<u8>, (Vec<u8>, u32)>>,
        stamps: Cell<u32>,
        at: Cell<u64>,
        others: Cell<usize>, // draws by others still to come
        limit: Option<Limit>,
        writes: Cell<usize>,
        room: Cell<usize>, // for so many keys
    }

    impl Host for Fake {
        fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Failure> {
            let found = self.data.borrow().get(key).cloned();
            if self.others.get() > 0 {
                self.others.set(self.others.get() - 1);
                let left = self.others.replace(0);
                take(self, key, self.limit.as_ref().unwrap())?;
                self.others.set(left);
            }
            Ok(found)
        }
        fn set(&self, key: &[u8], value: &[u8], stamp: u32) -> Result<Written, Failure> {
            let mut data = self.data.borrow_mut();
            match data.get(key) {
                Some((_, now)) if stamp != 0 && stamp != *now => return Ok(Written::Changed),
                None if data.len() == self.room.get() => return Err(Failure(10)),
                _ => {}
            }
            self.stamps.set(self.stamps.get() + 1);
            self.writes.set(self.writes.get() + 1);
            data.insert(key.to_vec(), (value.to_vec(), self.stamps.get()));
            Ok(Written::Yes)
        }
        fn now(&self) -> u64 {
            self.at.get()
        }
    }

    fn fake() -> Fake {
        let f = Fake::default();
        f.room.set(1000);
        f.at.set(1_700_000_000_000_000_000);
        f
    }

    fn pass(f: &Fake, ns: i64) {
        f.at.set((f.at.get() as i64 + ns) as u64)
    }

    fn allowed(f: &Fake, key: &str, limit: &Limit, n: usize) -> usize {
        (0..n).filter(|_| take(f, key.as_bytes(), limit).unwrap().allowed).count()
    }

    #[test]
    fn holds_what_it_says_and_refills() {
        let (f, limit) = (fake(), Limit::new(10, MINUTE).unwrap());
        assert_eq!(allowed(&f, "u", &limit, 12), 10);
        assert_eq!(allowed(&f, "v", &limit, 1), 1);
        pass(&f, 6 * SECOND - 1);
        assert_eq!(allowed(&f, "u", &limit, 2), 0);
        pass(&f, 1);
        assert_eq!(allowed(&f, "u", &limit, 2), 1);
        pass(&f, 365 * 24 * 60 * MINUTE);
        assert_eq!(allowed(&f, "u", &limit, 12), 10);
    }

    #[test]
    fn says_what_is_left_and_how_long_to_wait() {
        let (f, limit) = (fake(), Limit::new(3, MINUTE).unwrap());
        let said: Vec<_> = (0..4).map(|_| take(&f, b"u", &limit).unwrap()).map(|d| (d.allowed, d.limit, d.remaining, d.next)).collect();
        assert_eq!(said, [(true, 3, 2, 0), (true, 3, 1, 0), (true, 3, 0, 20 * SECOND), (false, 3, 0, 20 * SECOND)]);
        pass(&f, 7);
        assert_eq!(take(&f, b"u", &limit).unwrap().next, 20 * SECOND - 7);
    }

    #[test]
    fn a_refusal_writes_nothing() {
        let (f, limit) = (fake(), Limit::new(1, MINUTE).unwrap());
        allowed(&f, "u", &limit, 50);
        assert_eq!(f.writes.get(), 1);
    }

    #[test]
    fn others_drawing_in_between_are_counted() {
        for others in 0..12 {
            let limit = Limit::new(10, MINUTE).unwrap();
            let mut f = fake();
            f.limit = Some(limit.clone());
            f.others.set(others);
            let own = allowed(&f, "u", &limit, 1);
            assert_eq!(own, usize::from(others < 10), "{} others", others);
            f.others.set(0);
            assert_eq!(allowed(&f, "u", &limit, 12), 10 - own - others.min(10));
        }
    }

    #[test]
    fn gives_up_in_favour_of_the_limit() {
        let limit = Limit::new(MOST_TOKENS, SECOND).unwrap();
        let mut f = fake();
        f.limit = Some(limit.clone());
        f.others.set(TRIES);
        assert!(!take(&f, b"u", &limit).unwrap().allowed);
        assert!(take(&f, b"u", &limit).unwrap().allowed);
    }

    #[test]
    fn a_clock_set_back_gives_no_token_and_stops_no_refill() {
        let (f, limit) = (fake(), Limit::new(10, MINUTE).unwrap());
        assert_eq!(allowed(&f, "u", &limit, 11), 10);
        pass(&f, -60 * MINUTE);
        assert_eq!(allowed(&f, "u", &limit, 1), 0);
        pass(&f, 12 * SECOND);
        assert_eq!(allowed(&f, "u", &limit, 5), 2);
    }

    #[test]
    fn what_is_no_bucket_is_replaced() {
        let (f, limit) = (fake(), Limit::new(2, MINUTE).unwrap());
        f.set(b"u", b"foreign", 0).unwrap();
        assert_eq!(allowed(&f, "u", &limit, 5), 2);
        f.set(b"v", &Bucket { level: i64::MAX, at: 0 }.bytes(), 0).unwrap();
        assert_eq!(allowed(&f, "v", &limit, 5), 2);
        f.set(b"w", &Bucket { level: i64::MIN, at: u64::MAX }.bytes(), 0).unwrap();
        assert_eq!(allowed(&f, "w", &limit, 5), 0);
    }

    #[test]
    fn says_that_there_is_no_room() {
        let (f, limit) = (fake(), Limit::new(2, MINUTE).unwrap());
        f.room.set(1);
        assert_eq!(allowed(&f, "u", &limit, 1), 1);
        assert_eq!(take(&f, b"v", &limit), Err(Failure(10)));
        assert_eq!(allowed(&f, "u", &limit, 5), 1);
    }

    #[test]
    fn nothing_overflows_at_the_ends() {
        for (tokens, per) in [(MOST_TOKENS, SECOND), (999_999_999, SECOND), (1, 60 * MINUTE), (640_511, 60 * MINUTE)] {
            let limit = Limit::new(tokens, per).unwrap();
            for gap in [0, 1, limit.fill_time - 1, limit.fill_time, u64::MAX / 2] {
                for level in [0, 1, limit.full - 1, limit.full] {
                    let b = Bucket { level, at: 1 }.refilled(&limit, 1 + gap);
                    let exact = (level as i128 + gap as i128 * limit.gain as i128).min(limit.full as i128);
                    assert_eq!(b.level as i128, exact);
                }
            }
        }
        assert_eq!(Limit::new(999_999_937, 60 * MINUTE), None);
        assert_eq!(Limit::new(0, SECOND), None);
        assert_eq!(Limit::new(MOST_TOKENS + 1, SECOND), None);
    }
}
