//! Numbers as text, without an allocation and without a division.

/// A number as text.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: [u8; 10],
    from: u8,
}

impl Decimal {
    #[inline]
    pub fn new(n: u32) -> Decimal {
        match n {
            0..=9 => Decimal { digits: [b'0' + n as u8; 10], from: 9 },
            _ => Decimal::long(n),
        }
    }

    fn long(mut n: u32) -> Decimal {
        let (mut digits, mut from) = ([b'0'; 10], 10);
        for pair in digits.rchunks_exact_mut(2) {
            let rest = hundredth(n);
            let two = n - 100 * rest;
            let high = tenth(two);
            pair[0] += high as u8;
            pair[1] += (two - 10 * high) as u8;
            from -= 2;
            n = rest;
            if n == 0 {
                from += u8::from(high == 0);
                break;
            }
        }
        Decimal { digits, from }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    pub fn bytes(&self) -> &[u8] {
        self.digits.get(usize::from(self.from)..).unwrap_or_default()
    }
}

/// A hundredth, rounded down. (A division by a number that is known is left as it
/// is in a module, and an engine may carry it out.)
fn hundredth(n: u32) -> u32 {
    ((u64::from(n) * 0x51eb_851f) >> 37) as u32
}

/// A tenth of a number below 100, rounded down.
fn tenth(n: u32) -> u32 {
    (n * 205) >> 11
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_the_library_says() {
        let near_powers = (0..32).flat_map(|bit| (0..3).map(move |d| (1u32 << bit).wrapping_add(d).wrapping_sub(1)));
        let near_tens = (0..10).flat_map(|e| (0..3).map(move |d| 10u32.pow(e) + d - 1));
        let many = (0..200_000u32).map(|i| i.wrapping_mul(2_654_435_761));
        for n in (0..2000).chain(near_powers).chain(near_tens).chain(many).chain([u32::MAX]) {
            assert_eq!(Decimal::new(n).text(), n.to_string());
        }
    }
}
