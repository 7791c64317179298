//! Telling whether two things are the same without keeping either.

const START: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// A digest of bytes: FNV-1a, 64 bits, in hexadecimal digits.
///
/// # Example
///
/// ```
/// assert_eq!(regard_text::digest(*b"a"), "af63dc4c8601ec8c");
/// ```
pub fn digest(bytes: impl IntoIterator<Item = u8>) -> String {
    let hash = bytes.into_iter().fold(START, step);
    format!("{hash:016x}")
}

fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(PRIME)
}

/// The same of numbers as eight bytes each, the lowest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(START)
    }
}

impl Digest {
    /// A byte of zero only multiplies: so the six that ids begin with are one product.
    const SIX_ZEROS: u64 = PRIME.wrapping_pow(6);

    pub(crate) fn number(&mut self, number: u64) {
        let [low, high, rest @ ..] = number.to_le_bytes();
        self.0 = step(step(self.0, low), high);
        self.0 = if number < 1 << 16 {
            self.0.wrapping_mul(Self::SIX_ZEROS)
        } else {
            rest.into_iter().fold(self.0, step)
        };
    }

    pub(crate) fn finish(self) -> String {
        format!("{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_their_bytes() {
        let numbers = [0, 1, 255, 256, 65_535, 65_536, u64::MAX, 7];
        let mut ours = Digest::default();
        for number in numbers {
            ours.number(number);
        }
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
        assert_eq!(ours.finish(), digest(bytes));
    }
}
