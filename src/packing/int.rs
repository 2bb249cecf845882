//! The order-preserving variable-length integer code: the encodings of larger values compare greater as bytes.
//!
//! | first byte | bytes that follow | values |
//! | --- | --- | --- |
//! | `10`..`1f` = `10` + n | 8 - n | -2^63 to -8257: two's complement without its n leading `ff` bytes |
//! | `20`..`3f` | 1 | -8256 to -65 |
//! | `40`..`7f` | 0 | -64 to -1 |
//! | `80`..`bf` | 0 | 0 to 63 |
//! | `c0`..`df` | 1 | 64 to 8255 |
//! | `e0`..`ef` = `e0` + n | n | 8256 and more |
//!
//! Other first bytes are invalid. Source: packing specification, section 13.

/// The longest encoding, in bytes.
pub const MAX_LEN: usize = 9;

/// An encoded integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoded {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Encoded {
    /// The bytes of the encoding.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn one(first: u8) -> Self {
        Self { bytes: [first, 0, 0, 0, 0, 0, 0, 0, 0], len: 1 }
    }

    fn two(marker: u8, offset: u64) -> Self {
        let [.., high, low] = offset.to_be_bytes();
        Self { bytes: [marker | high, low, 0, 0, 0, 0, 0, 0, 0], len: 2 }
    }

    /// `marker` and the big-endian bytes of `value` without the first `skip`.
    fn long(marker: u8, value: u64, skip: u32) -> Self {
        let mut bytes = [0; MAX_LEN];
        let [first, tail @ ..] = &mut bytes;
        *first = marker;
        let skipped_bits = skip.saturating_mul(8);
        *tail = value.wrapping_shl(skipped_bits).to_be_bytes();
        Self { bytes, len: MAX_LEN.saturating_sub(usize::try_from(skip).unwrap_or(0)) }
    }
}

/// Encodes an unsigned integer.
pub fn encode_u64(value: u64) -> Encoded {
    match value {
        0..=63 => Encoded::one(0x80 | low_byte(value)),
        64..=8255 => Encoded::two(0xc0, value.wrapping_sub(64)),
        _ => {
            let rest = value.wrapping_sub(8256);
            // 8256 itself keeps one zero byte.
            let skip = rest.leading_zeros().wrapping_div(8).min(7);
            Encoded::long(0xe8_u8.wrapping_sub(low_byte(u64::from(skip))), rest, skip)
        }
    }
}

/// Encodes a signed integer.
pub fn encode_i64(value: i64) -> Encoded {
    let bits = value.cast_unsigned();
    match value {
        0.. => encode_u64(bits),
        -64..=-1 => Encoded::one(0x40 | low_byte(bits.wrapping_add(64))),
        -8256..=-65 => Encoded::two(0x20, bits.wrapping_add(8256)),
        _ => {
            let skip = bits.leading_ones().wrapping_div(8);
            Encoded::long(0x10 | low_byte(u64::from(skip)), bits, skip)
        }
    }
}

/// Decodes an unsigned integer from the start of `bytes`: the value and the number of bytes read. `None` if the bytes
/// end early or don't begin with the code of an unsigned integer.
pub fn decode_u64(bytes: &[u8]) -> Option<(u64, usize)> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0x80..=0xbf => Some((u64::from(first & 0x3f), 1)),
        0xc0..=0xdf => {
            let offset = u64::from(u16::from_be_bytes([first & 0x1f, *rest.first()?]));
            Some((offset.wrapping_add(64), 2))
        }
        0xe0..=0xef => {
            let len = usize::from(first & 0x0f);
            let value = big_endian(0, rest.get(..len)?);
            Some((value.wrapping_add(8256), len.wrapping_add(1)))
        }
        _ => None,
    }
}

/// Decodes a signed integer from the start of `bytes`: the value and the number of bytes read. `None` if the bytes
/// end early or don't begin with the code of an integer. Unsigned values above the signed range wrap.
pub fn decode_i64(bytes: &[u8]) -> Option<(i64, usize)> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0x10..=0x1f => {
            let len = 8_usize.checked_sub(usize::from(first & 0x0f))?;
            Some((big_endian(u64::MAX, rest.get(..len)?).cast_signed(), len.wrapping_add(1)))
        }
        0x20..=0x3f => {
            let offset = i64::from(u16::from_be_bytes([first & 0x1f, *rest.first()?]));
            Some((offset.wrapping_sub(8256), 2))
        }
        0x40..=0x7f => Some((i64::from(first & 0x3f).wrapping_sub(64), 1)),
        _ => decode_u64(bytes).map(|(value, len)| (value.cast_signed(), len)),
    }
}

/// Shifts bytes into a value; what goes out at the top is lost.
fn big_endian(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |value, byte| value.wrapping_shl(8) | u64::from(*byte))
}

fn low_byte(value: u64) -> u8 {
    let [.., low] = value.to_be_bytes();
    low
}
