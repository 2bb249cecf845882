//! The metadata row of a stored blob.
//!
//! `version=1,page.1=(page_id=1,lsn=L,size=S),data="HEX"`, or `...,file="WiredTigerKeyProvider.NNNNNNNNNN"` where the
//! bytes (header and blob, S of them) lie in a file. The file's name follows from the LSN: another one is damage, so that
//! no row can make the engine read or remove a file that isn't its own.
//!
//! Source: key-provider specification, sections 5.1 and 9.1.

use super::damaged;
use super::files::file_name;
use hardwired_plugin::config::{ConfigParser, Item};
use hardwired_plugin::key_provider::{KeyLsn, MAX_KEY_BLOB_BYTES};
use hardwired_plugin::{Error, Result};
use std::fmt::Write as _;

/// The key of the row in the metadata table.
pub const METADATA_KEY: &str = "system:key_provider";

/// How errors name the row.
pub(super) const OBJECT: &str = "WiredTiger.wt, row system:key_provider";

const VERSION: u64 = 1;
/// The main key page, and the only one.
const PAGE_ID: u64 = 1;
/// Greatest length of a header: its length field is one byte.
const MAX_HEADER_BYTES: u64 = 255;

/// Where header and blob are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the row.
    Inline(Vec<u8>),
    /// In the file of this name in the home directory.
    File(String),
}

/// What the row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The number of the blob.
    pub lsn: KeyLsn,
    /// Length of header and blob in bytes.
    pub size: u64,
    /// Where they are.
    pub place: Place,
}

impl KeyRow {
    /// The row's value as it is stored.
    pub fn to_value(&self) -> String {
        let mut value =
            format!("version={VERSION},page.{PAGE_ID}=(page_id={PAGE_ID},lsn={},size={})", self.lsn, self.size);
        match &self.place {
            Place::Inline(bytes) => {
                value.push_str(",data=\"");
                for byte in bytes {
                    // Writing to a string can't fail.
                    let _ = write!(value, "{byte:02x}");
                }
                value.push('"');
            }
            Place::File(name) => {
                let _ = write!(value, ",file=\"{name}\"");
            }
        }
        value
    }

    /// Reads a row's value.
    ///
    /// # Errors
    /// `EIO` for damage, `ENOTSUP` for a later version.
    pub fn parse(value: &str) -> Result<Self> {
        let mut fields = Fields::default();
        for item in ConfigParser::new(value) {
            let (key, item) = item.map_err(|error| damaged(OBJECT, 0, error))?;
            fields.take(key.text(), item)?;
        }
        fields.finish()
    }
}

#[derive(Default)]
struct Fields<'a> {
    version: Option<u64>,
    page_id: Option<u64>,
    lsn: Option<u64>,
    size: Option<u64>,
    data: Option<&'a str>,
    file: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, key: &str, item: Item<'a>) -> Result<()> {
        match key {
            "version" => self.version = Some(number(key, item)?),
            "data" => self.data = Some(item.text()),
            "file" => self.file = Some(item.text()),
            _ if key.starts_with("page.") => {
                for part in item.items() {
                    let (part, value) = part.map_err(|error| damaged(OBJECT, 0, error))?;
                    match part.text() {
                        "page_id" => self.page_id = Some(number("page_id", value)?),
                        "lsn" => self.lsn = Some(number("lsn", value)?),
                        "size" => self.size = Some(number("size", value)?),
                        other => return Err(unknown(other)),
                    }
                }
            }
            other => return Err(unknown(other)),
        }
        Ok(())
    }

    fn finish(self) -> Result<KeyRow> {
        let version = self.version.unwrap_or(0);
        if version > VERSION {
            return Err(Error::unsupported(format!("{OBJECT}: Unsupported key_provider metadata version: {version}")));
        }
        let (page_id, lsn) = (self.page_id.unwrap_or(0), self.lsn.unwrap_or(0));
        let (Some(size), 1.., 1.., VERSION) = (self.size, page_id, lsn, version) else {
            let reason = format!(
                "Incomplete key_provider metadata: version={version}, page_id={page_id}, lsn={lsn}, size={:?}",
                self.size
            );
            return Err(damaged(OBJECT, 0, reason));
        };
        if page_id != PAGE_ID {
            return Err(damaged(OBJECT, 0, format!("Key provider page ID {page_id} out of range")));
        }
        let limit = u64::try_from(MAX_KEY_BLOB_BYTES).unwrap_or(u64::MAX).saturating_add(MAX_HEADER_BYTES);
        if size > limit {
            return Err(damaged(OBJECT, 0, format!("size {size} is over the limit of {limit} bytes")));
        }
        let lsn = KeyLsn(lsn);
        let place = match (self.data, self.file) {
            (Some(data), None) => Place::Inline(bytes(data, size)?),
            (None, Some(name)) if name == file_name(lsn) => Place::File(name.to_owned()),
            (None, Some(name)) => {
                let reason = format!("file '{name}' where '{}' was expected", file_name(lsn));
                return Err(damaged(OBJECT, 0, reason));
            }
            _ => return Err(damaged(OBJECT, 0, "one of data and file was expected")),
        };
        Ok(KeyRow { lsn, size, place })
    }
}

fn number(key: &str, item: Item<'_>) -> Result<u64> {
    item.as_u64().map_err(|error| damaged(OBJECT, 0, format!("{key}: {error}")))
}

fn unknown(key: &str) -> Error {
    damaged(OBJECT, 0, format!("unknown entry '{key}'"))
}

/// Lower- or upper-case hexadecimal digits, two a byte, `size` bytes.
fn bytes(data: &str, size: u64) -> Result<Vec<u8>> {
    let (pairs, rest) = data.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || u64::try_from(pairs.len()) != Ok(size) {
        let reason = format!("data of {} hexadecimal digits where {size} bytes were expected", data.len());
        return Err(damaged(OBJECT, 0, reason));
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let decoded: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(nibble(*high)?.wrapping_shl(4) | nibble(*low)?)).collect();
    decoded.ok_or_else(|| damaged(OBJECT, 0, "data is not hexadecimal"))
}
