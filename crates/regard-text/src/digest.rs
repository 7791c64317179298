//! Telling whether two things are the same without keeping either.

/// A digest of bytes: FNV-1a, 64 bits, in hexadecimal digits.
///
/// # Example
///
/// ```
/// assert_eq!(regard_text::digest(*b"a"), "af63dc4c8601ec8c");
/// ```
pub fn digest(bytes: impl IntoIterator<Item = u8>) -> String {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    let hash = bytes.into_iter().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
