//! What kind of records an object has, and how they are kept in the store.
//!
//! A key of the store is a packed key, or a record number as four big-endian bytes; both sort as they should.

use hardwired_plugin::config::Config;
use hardwired_plugin::data_source::Record;
use hardwired_plugin::{Error, ErrorCode, Result};

/// The largest record number.
pub const MAX_RECORD_NUMBER: u64 = u32::MAX as u64;

/// The formats of an object, as far as the store depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Keys are record numbers.
    pub(crate) numbered: bool,
    /// Values are bit fields of so many bits.
    pub(crate) bits: Option<u32>,
}

impl Shape {
    /// Reads `key_format` and `value_format`.
    pub(crate) fn of(config: Config<'_>) -> Result<Self> {
        let numbered = config.text_or("key_format", "u")? == "r";
        let value_format = config.text_or("value_format", "u")?;
        let bits = match value_format.strip_suffix('t') {
            Some("") => Some(1),
            Some(count) => count.parse().ok().filter(|bits| (1..=8).contains(bits)),
            None => None,
        };
        Ok(Self { numbered, bits: bits.filter(|_| numbered) })
    }

    /// The key of the store for the record's key.
    pub(crate) fn key(&self, record: &Record) -> Result<Vec<u8>> {
        if !self.numbered {
            return Ok(record.key.clone());
        }
        number_key(record.recno).map(|key| key.to_vec())
    }

    /// Puts a key of the store into the record.
    pub(crate) fn set_key(&self, key: &[u8], record: &mut Record) -> Result<()> {
        if !self.numbered {
            record.set_key(key);
            return Ok(());
        }
        record.recno = number_of(key)?;
        record.key.clear();
        Ok(())
    }

    /// Refuses a value that can't be a bit field of this object.
    pub(crate) fn check_value(&self, value: &[u8]) -> Result<()> {
        let Some(bits) = self.bits else { return Ok(()) };
        match value {
            [byte] if u32::from(*byte) < 1 << bits => Ok(()),
            [byte] => Err(Error::new(ErrorCode::ERANGE, format!("value {byte}: a bit field of {bits} bits"))),
            _ => Err(Error::invalid(format!("a bit field is one byte, not {}", value.len()))),
        }
    }

    /// Whether the store can have a record of this object like that.
    pub(crate) fn check_stored(&self, key: &[u8], value: &[u8]) -> Result<()> {
        if self.numbered && number_of(key)? == 0 {
            return Err(Error::corrupt("", 0, "record number 0"));
        }
        self.check_value(value).map_err(|error| Error::corrupt("", 0, error.to_string()))
    }
}

/// The key of a record number.
pub(crate) fn number_key(number: u64) -> Result<[u8; 4]> {
    match u32::try_from(number) {
        Ok(0) => Err(Error::invalid("0 is an invalid record number")),
        Ok(number) => Ok(number.to_be_bytes()),
        Err(_) => {
            Err(Error::new(ErrorCode::ERANGE, format!("record number {number}: the largest is {MAX_RECORD_NUMBER}")))
        }
    }
}

/// The record number of a key.
pub(crate) fn number_of(key: &[u8]) -> Result<u64> {
    match <[u8; 4]>::try_from(key) {
        Ok(bytes) => Ok(u64::from(u32::from_be_bytes(bytes))),
        Err(_) => Err(Error::corrupt("", 0, format!("a record number of {} bytes", key.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_decide_the_shape() {
        let shape = |text| Shape::of(Config::single(text)).unwrap();
        assert_eq!(shape("key_format=r,value_format=3t"), Shape { numbered: true, bits: Some(3) });
        assert_eq!(shape("key_format=r,value_format=t"), Shape { numbered: true, bits: Some(1) });
        assert_eq!(shape("key_format=r,value_format=S"), Shape { numbered: true, bits: None });
        assert_eq!(shape("key_format=S,value_format=8t"), Shape { numbered: false, bits: None });
        assert_eq!(shape(""), Shape { numbered: false, bits: None });
    }

    #[test]
    fn numbers_and_bits_have_limits() {
        assert_eq!(number_key(0).unwrap_err().code(), ErrorCode::EINVAL);
        assert_eq!(number_of(&number_key(MAX_RECORD_NUMBER).unwrap()).unwrap(), MAX_RECORD_NUMBER);
        assert_eq!(number_key(MAX_RECORD_NUMBER + 1).unwrap_err().code(), ErrorCode::ERANGE);
        let bits = Shape { numbered: true, bits: Some(3) };
        assert!(bits.check_value(&[7]).is_ok());
        assert_eq!(bits.check_value(&[8]).unwrap_err().code(), ErrorCode::ERANGE);
        assert_eq!(bits.check_value(&[]).unwrap_err().code(), ErrorCode::EINVAL);
        assert!(Shape { numbered: true, bits: Some(8) }.check_value(&[255]).is_ok());
    }
}
