//! Rust values as columns, and tuples of them as rows.

use super::format::{ColumnType, Format};
use super::value::{Packer, Unpacker, Value};
use crate::{Error, Result};

/// A Rust value that can be one column.
pub trait ToValue {
    /// The value to pack.
    fn to_value(&self) -> Value<'_>;
}

/// A Rust value that one column can be read as.
pub trait FromValue<'a>: Sized {
    /// What the type is called in messages.
    const NAME: &'static str;

    /// The value, or `None` if this is another kind of column or the value doesn't fit.
    fn from_value(value: Value<'a>) -> Option<Self>;
}

/// A row: one value, a tuple of up to eight, or `()` for a format without columns.
pub trait PackRow {
    /// Appends the packed row to `out`; after an error `out` may hold a part of it.
    ///
    /// # Errors
    /// `EINVAL` if the row doesn't match the format.
    fn pack_row(&self, format: &Format, out: &mut Vec<u8>) -> Result<()>;
}

/// A row read as Rust values.
pub trait UnpackRow<'a>: Sized {
    /// Unpacks a row.
    ///
    /// # Errors
    /// `EINVAL` if the bytes are not a row of this format, or the format's columns don't match the type.
    fn unpack_row(format: &'a Format, bytes: &'a [u8]) -> Result<Self>;
}

macro_rules! integers {
    ($variant:ident, $wide:ty: $($name:ty)*) => {$(
        impl ToValue for $name {
            fn to_value(&self) -> Value<'_> {
                Value::$variant(<$wide>::from(*self))
            }
        }

        impl FromValue<'_> for $name {
            const NAME: &'static str = stringify!($name);

            fn from_value(value: Value<'_>) -> Option<Self> {
                match value {
                    Value::Int(number) => Self::try_from(number).ok(),
                    Value::Uint(number) => Self::try_from(number).ok(),
                    Value::Text(_) | Value::Bytes(_) => None,
                }
            }
        }
    )*};
}

integers!(Int, i64: i8 i16 i32 i64);
integers!(Uint, u64: u8 u16 u32 u64);

macro_rules! texts {
    ($($name:ty, $variant:ident, $bytes:ident;)*) => {$(
        impl ToValue for $name {
            fn to_value(&self) -> Value<'_> {
                Value::$variant(self.$bytes())
            }
        }
    )*};
}

texts! {
    str, Text, as_bytes;
    String, Text, as_bytes;
    [u8], Bytes, as_ref;
    Vec<u8>, Bytes, as_ref;
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        (**self).to_value()
    }
}

impl ToValue for Value<'_> {
    fn to_value(&self) -> Value<'_> {
        *self
    }
}

impl<'a> FromValue<'a> for Value<'a> {
    const NAME: &'static str = "Value";

    fn from_value(value: Value<'a>) -> Option<Self> {
        Some(value)
    }
}

impl<'a> FromValue<'a> for &'a str {
    const NAME: &'static str = "str";

    fn from_value(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

impl<'a> FromValue<'a> for String {
    const NAME: &'static str = "String";

    fn from_value(value: Value<'a>) -> Option<Self> {
        <&str>::from_value(value).map(str::to_owned)
    }
}

impl<'a> FromValue<'a> for &'a [u8] {
    const NAME: &'static str = "bytes";

    fn from_value(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Text(bytes) | Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl<'a> FromValue<'a> for Vec<u8> {
    const NAME: &'static str = "bytes";

    fn from_value(value: Value<'a>) -> Option<Self> {
        <&[u8]>::from_value(value).map(<[u8]>::to_vec)
    }
}

impl<T: ToValue + ?Sized> PackRow for T {
    fn pack_row(&self, format: &Format, out: &mut Vec<u8>) -> Result<()> {
        let mut packer = Packer::new(format, out);
        packer.push(self.to_value())?;
        packer.finish()
    }
}

impl PackRow for () {
    fn pack_row(&self, format: &Format, out: &mut Vec<u8>) -> Result<()> {
        Packer::new(format, out).finish()
    }
}

impl UnpackRow<'_> for () {
    fn unpack_row(format: &Format, bytes: &[u8]) -> Result<Self> {
        end(&mut Unpacker::new(format, bytes), format)
    }
}

/// Reads the next column as a type.
fn next<'a, T: FromValue<'a>>(unpacker: &mut Unpacker<'_, 'a>, format: &Format) -> Result<T> {
    let value = unpacker.next().ok_or_else(|| {
        Error::invalid(format!("more values asked for than there are columns in format '{format}'"))
    })??;
    T::from_value(value).ok_or_else(|| {
        let name = T::NAME;
        Error::invalid(format!("value {value} of a column of format '{format}' can't be read as {name}"))
    })
}

/// Refuses columns that nobody asked for.
fn end(unpacker: &mut Unpacker<'_, '_>, format: &Format) -> Result<()> {
    match unpacker.next() {
        None => Ok(()),
        Some(Err(error)) => Err(error),
        Some(Ok(_)) => {
            Err(Error::invalid(format!("fewer values asked for than there are columns in format '{format}'")))
        }
    }
}

macro_rules! scalars {
    ($($name:ty),* $(,)?) => {$(
        impl<'a> UnpackRow<'a> for $name {
            fn unpack_row(format: &'a Format, bytes: &'a [u8]) -> Result<Self> {
                let mut unpacker = Unpacker::new(format, bytes);
                let value = next(&mut unpacker, format)?;
                end(&mut unpacker, format)?;
                Ok(value)
            }
        }
    )*};
}

scalars!(u8, u16, u32, u64, i8, i16, i32, i64, String, Vec<u8>, &'a str, &'a [u8], Value<'a>);

macro_rules! tuples {
    ($($($name:ident)+;)*) => {$(
        #[allow(non_snake_case)]
        impl<$($name: ToValue),+> PackRow for ($($name,)+) {
            fn pack_row(&self, format: &Format, out: &mut Vec<u8>) -> Result<()> {
                let ($($name,)+) = self;
                let mut packer = Packer::new(format, out);
                $(packer.push($name.to_value())?;)+
                packer.finish()
            }
        }

        #[allow(non_snake_case)]
        impl<'a, $($name: FromValue<'a>),+> UnpackRow<'a> for ($($name,)+) {
            fn unpack_row(format: &'a Format, bytes: &'a [u8]) -> Result<Self> {
                let mut unpacker = Unpacker::new(format, bytes);
                $(let $name = next::<$name>(&mut unpacker, format)?;)+
                end(&mut unpacker, format)?;
                Ok(($($name,)+))
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

impl Format {
    /// Packs a row of Rust values.
    ///
    /// # Errors
    /// `EINVAL` if the row doesn't match the format.
    pub fn pack<R: PackRow + ?Sized>(&self, row: &R) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        row.pack_row(self, &mut out)?;
        Ok(out)
    }

    /// Unpacks a row of Rust values.
    ///
    /// # Errors
    /// `EINVAL` if the bytes are not a row of this format, or the format's columns don't match the type.
    pub fn unpack<'a, R: UnpackRow<'a>>(&'a self, bytes: &'a [u8]) -> Result<R> {
        R::unpack_row(self, bytes)
    }

    /// Whether every column is a string, so that a row can be shown as text.
    pub fn is_text(&self) -> bool {
        self.columns().iter().all(|column| matches!(column.kind, ColumnType::String | ColumnType::FixedString))
    }
}
