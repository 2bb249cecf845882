//! A small directory as one byte string, so that a whole database is one fuzz input.
//!
//! Per file: length of the name (1 byte), the name, size (4 bytes), number of segments (2 bytes), then each segment: offset
//! and length (4 bytes each) and its bytes. Numbers are little-endian. What lies outside the segments is zero, which keeps
//! padded pages short.

use std::collections::BTreeMap;

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// All files together may have this many bytes: a hostile container must not fill the memory.
pub const MAX_TOTAL_BYTES: usize = 4 << 20;

/// Runs of zeros shorter than this are stored as they are.
const MIN_HOLE_BYTES: usize = 16;

/// The files of a container; `None` if it is none.
pub fn unpack(mut input: &[u8]) -> Option<Files> {
    let mut files = Files::new();
    let mut total = 0_usize;
    while !input.is_empty() {
        let name_length = usize::from(take::<1>(&mut input)?[0]);
        let name = std::str::from_utf8(take_slice(&mut input, name_length)?).ok()?;
        if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
            return None;
        }
        let size = usize::try_from(u32::from_le_bytes(take(&mut input)?)).ok()?;
        total = total.checked_add(size).filter(|&total| total <= MAX_TOTAL_BYTES)?;
        let mut bytes = vec![0; size];
        let count = u16::from_le_bytes(take(&mut input)?);
        for _ in 0..count {
            let offset = usize::try_from(u32::from_le_bytes(take(&mut input)?)).ok()?;
            let length = usize::try_from(u32::from_le_bytes(take(&mut input)?)).ok()?;
            let segment = take_slice(&mut input, length)?;
            bytes.get_mut(offset..offset.checked_add(length)?)?.copy_from_slice(segment);
        }
        files.insert(name.to_owned(), bytes);
    }
    Some(files)
}

/// The container of some files; `None` if they are too large for one.
pub fn pack(files: &Files) -> Option<Vec<u8>> {
    let mut output = Vec::new();
    for (name, bytes) in files {
        output.push(u8::try_from(name.len()).ok()?);
        output.extend_from_slice(name.as_bytes());
        output.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_le_bytes());
        let segments = segments(bytes);
        output.extend_from_slice(&u16::try_from(segments.len()).ok()?.to_le_bytes());
        for (offset, segment) in segments {
            output.extend_from_slice(&u32::try_from(offset).ok()?.to_le_bytes());
            output.extend_from_slice(&u32::try_from(segment.len()).ok()?.to_le_bytes());
            output.extend_from_slice(segment);
        }
    }
    Some(output)
}

/// The parts between long runs of zeros.
fn segments(bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(start) = bytes[at..].iter().position(|&byte| byte != 0).map(|offset| at + offset) {
        let mut end = start;
        // To the last byte that is followed by a hole or by nothing.
        loop {
            let zeros = bytes[end..].iter().take(MIN_HOLE_BYTES).take_while(|&&byte| byte == 0).count();
            if end == bytes.len() || zeros == MIN_HOLE_BYTES || end + zeros == bytes.len() {
                break;
            }
            end += zeros.max(1);
        }
        segments.push((start, &bytes[start..end]));
        at = end;
    }
    segments
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(*head)
}

fn take_slice<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(contents: &[(&str, &[u8])]) -> Files {
        contents.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
    }

    #[test]
    fn what_is_packed_unpacks() {
        let mut long = vec![0; 5000];
        long[0] = 1;
        long[2000..2010].fill(2);
        long[2012] = 3;
        long[4999] = 4;
        let files = files(&[("a", b""), ("b", &[0; 100]), ("c", &long), ("d", b"text")]);
        let packed = pack(&files).unwrap();
        assert!(packed.len() < 120, "{}", packed.len());
        assert_eq!(unpack(&packed).unwrap(), files);
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(unpack(b"\x01a"), None);
        assert_eq!(unpack(b"\x01/\0\0\0\0\0\0"), None);
        assert_eq!(unpack(b"\x01a\xff\xff\xff\xff\0\0"), None);
        assert_eq!(unpack(b"\x01a\x01\0\0\0\x01\0\x01\0\0\0\x01\0\0\0x"), None);
    }
}
