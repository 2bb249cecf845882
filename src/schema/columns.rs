//! The named columns of a table, and rows that hold some of them.
//!
//! A table's columns are numbered: first those of the key, then those of the value. Every packed row that has to do with
//! the table (its key and value, the value of a column group, the key of an index, a projection) is a [`Layout`]: a list
//! of column numbers, with a format that follows from the table's. Reading a row gives the payload of each of its columns,
//! writing one puts payloads together, so that columns move between rows without being decoded.
//!
//! Source: schema specification, sections 5 and 6.2.

use crate::packing::{Column, Format};
use crate::plugin::config::{Config, ConfigParser, Item};
use crate::{Error, Result};
use std::sync::Arc;

/// The columns of a table.
#[derive(Debug)]
pub(crate) struct Columns {
    names: Vec<Box<str>>,
    items: Vec<Column>,
    /// How many of them make the key.
    key_count: usize,
    pub(crate) key_format: Arc<Format>,
    pub(crate) value_format: Arc<Format>,
}

impl Columns {
    /// The columns of a table with this configuration. `uri` stands in messages.
    ///
    /// # Errors
    /// `EINVAL` for a table without named columns and for a list that doesn't fit the formats.
    pub(crate) fn parse(uri: &str, value: &str) -> Result<Self> {
        let config = Config::single(value);
        let (key_text, value_text) = (config.text_or("key_format", "u")?, config.text_or("value_format", "u")?);
        let (key_format, value_format) = (Format::parse(key_text)?, Format::parse(value_text)?);
        let list = config.get("columns")?.filter(|item| item.items().next().is_some());
        let list = list.ok_or_else(|| Error::invalid(format!("{uri} requires a table with named columns")))?;
        let names = names(list)?;
        let wanted = key_format.name_count().saturating_add(value_format.name_count());
        if u64::try_from(names.len()) != Ok(wanted) {
            return Err(Error::invalid(format!(
                "Number of columns in '{}' does not match key format '{key_text}' plus value format '{value_text}'",
                list.source()
            )));
        }
        let key_count = key_format.items().count();
        let items = key_format.items().chain(value_format.items()).collect();
        Ok(Self { names, items, key_count, key_format: Arc::new(key_format), value_format: Arc::new(value_format) })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.items.len()
    }

    /// The number of a column: the first of that name.
    ///
    /// # Errors
    /// `EINVAL` for an unknown name.
    pub(crate) fn find(&self, name: &str) -> Result<usize> {
        let found = self.names.iter().position(|other| **other == *name);
        found.ok_or_else(|| Error::invalid(format!("Column '{name}' not found")))
    }

    /// The numbers of the columns that a list names.
    ///
    /// # Errors
    /// As [`Columns::find`].
    pub(crate) fn find_all(&self, list: ConfigParser<'_>) -> Result<Vec<usize>> {
        list.map(|item| self.find(item?.0.text())).collect()
    }

    pub(crate) fn name(&self, column: usize) -> &str {
        self.names.get(column).map_or("", |name| name)
    }

    /// Whether a column belongs to the key.
    pub(crate) fn is_key(&self, column: usize) -> bool {
        column < self.key_count
    }

    /// The numbers of the key's columns.
    pub(crate) fn of_key(&self) -> std::ops::Range<usize> {
        0..self.key_count
    }

    /// The numbers of the value's columns.
    pub(crate) fn of_value(&self) -> std::ops::Range<usize> {
        self.key_count..self.items.len()
    }

    /// The layout of a row with these columns.
    pub(crate) fn layout(&self, columns: impl IntoIterator<Item = usize>) -> Layout {
        let mut columns: Vec<(usize, Column)> =
            columns.into_iter().filter_map(|number| Some((number, self.items.get(number)?.placed(false)))).collect();
        if let Some((_, last)) = columns.last_mut() {
            *last = last.placed(true);
        }
        Layout { columns }
    }

    /// The layouts of the table's key and value: with the table's formats, letter by letter.
    pub(crate) fn key_and_value(&self) -> (Layout, Layout) {
        let part = |numbers: std::ops::Range<usize>| Layout {
            columns: numbers.filter_map(|number| Some((number, *self.items.get(number)?))).collect(),
        };
        (part(self.of_key()), part(self.of_value()))
    }

    /// An empty row of payloads, to be filled by [`Layout::read`].
    pub(crate) fn payloads<'a>(&self) -> Vec<&'a [u8]> {
        vec![&[]; self.count()]
    }

    /// Zero values as the payloads of all columns.
    pub(crate) fn zeroes(&self) -> Vec<Vec<u8>> {
        self.items.iter().map(Column::zero).collect()
    }
}

/// The columns of a packed row, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    columns: Vec<(usize, Column)>,
}

impl Layout {
    /// The packing format.
    pub(crate) fn format(&self) -> String {
        let mut text = String::new();
        self.columns.iter().for_each(|(_, column)| column.push_text(&mut text));
        text
    }

    /// The numbers of its columns.
    pub(crate) fn numbers(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.columns.iter().map(|(number, _)| *number)
    }

    /// The first so many columns, as they stand in the whole row.
    pub(crate) fn first(&self, count: usize) -> Self {
        Self { columns: self.columns.iter().take(count).copied().collect() }
    }

    /// Whether rows of both look the same.
    pub(crate) fn is_like(&self, format: &Format) -> bool {
        let shape = |column: &Column| (column.placed(false).letter, column.size, column.is_last);
        let count = self.columns.len();
        // Which column of the row is last: not what the letters say, but what rows look like.
        let mine = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, (_, column))| shape(&column.placed(at.saturating_add(1) == count)));
        let theirs: Vec<Column> = format.items().take(count.saturating_add(1)).collect();
        let others =
            theirs.iter().enumerate().map(|(at, column)| shape(&column.placed(at.saturating_add(1) == theirs.len())));
        mine.eq(others)
    }

    /// Takes a row apart: puts the payload of each column into its place.
    ///
    /// # Errors
    /// `EINVAL` for a damaged row.
    pub(crate) fn read<'a>(&self, row: &'a [u8], payloads: &mut [&'a [u8]]) -> Result<()> {
        let mut rest = row;
        for (number, column) in &self.columns {
            let payload = column.split(&mut rest)?;
            if let Some(place) = payloads.get_mut(*number) {
                *place = payload;
            }
        }
        Ok(())
    }

    /// Appends the row of these payloads.
    pub(crate) fn write<P: AsRef<[u8]>>(&self, payloads: &[P], row: &mut Vec<u8>) {
        for (number, column) in &self.columns {
            column.append(payloads.get(*number).map_or(&[], AsRef::as_ref), row);
        }
    }

    /// How long the first so many columns of a row are.
    ///
    /// # Errors
    /// `EINVAL` for a damaged row.
    pub(crate) fn length_of_first(&self, count: usize, row: &[u8]) -> Result<usize> {
        let mut rest = row;
        for (_, column) in self.columns.iter().take(count) {
            column.split(&mut rest)?;
        }
        Ok(row.len().saturating_sub(rest.len()))
    }
}

/// The names in a list.
fn names(list: Item<'_>) -> Result<Vec<Box<str>>> {
    list.items().map(|item| Ok(item?.0.text().into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::{Value, pack};
    use rstest::rstest;

    const TABLE: &str = "key_format=iS,value_format=Siu,columns=(id,name,city,zip,blob)";

    fn columns() -> Columns {
        Columns::parse("table:t", TABLE).unwrap()
    }

    fn layout(names: &[&str]) -> Layout {
        let columns = columns();
        columns.layout(names.iter().map(|name| columns.find(name).unwrap()))
    }

    #[rstest]
    #[case(&["city", "zip"], "Si")]
    #[case(&["blob"], "u")]
    #[case(&["blob", "id", "name"], "UiS")]
    #[case(&["city", "zip", "id", "name"], "SiiS")]
    #[case(&[], "")]
    #[case(&["city", "city"], "SS")]
    fn formats_follow_from_the_tables(#[case] names: &[&str], #[case] format: &str) {
        assert_eq!(layout(names).format(), format);
    }

    /// The rows of the schema specification, section 6.2.
    #[test]
    fn rows_are_taken_apart_and_put_together() {
        let columns = columns();
        let (key, value) = columns.key_and_value();
        let packed_key = pack(&columns.key_format, &[Value::Int(7), Value::Text(b"ann")]).unwrap();
        let packed_value =
            pack(&columns.value_format, &[Value::Text(b"NY"), Value::Int(10), Value::Bytes(b"\xaa\0")]).unwrap();
        let mut payloads = columns.payloads();
        key.read(&packed_key, &mut payloads).unwrap();
        value.read(&packed_value, &mut payloads).unwrap();
        let row = |names: &[&str]| {
            let mut row = Vec::new();
            layout(names).write(&payloads, &mut row);
            row
        };
        assert_eq!(row(&["city", "zip", "id", "name"]), b"NY\0\x8a\x87ann\0");
        assert_eq!(row(&["blob", "id", "name"]), b"\x82\xaa\0\x87ann\0");
        assert_eq!(row(&["zip", "blob"]), b"\x8a\xaa\0");
        assert_eq!(layout(&["city", "zip", "id"]).length_of_first(2, b"NY\0\x8a\x87").unwrap(), 4);
    }

    #[rstest]
    #[case("SSi", true)]
    #[case("2Si", false)]
    #[case("SS", false)]
    #[case("SSii", false)]
    fn layouts_are_compared_with_formats(#[case] format: &str, #[case] is_like: bool) {
        let columns = Columns::parse("table:t", "key_format=S,value_format=Si,columns=(k,a,b)").unwrap();
        assert_eq!(columns.layout(0..3).is_like(&Format::parse(format).unwrap()), is_like);
    }

    #[test]
    fn u_and_the_other_u_at_the_end_are_alike() {
        let columns = Columns::parse("table:t", "key_format=S,value_format=uu,columns=(k,a,b)").unwrap();
        for format in ["Uu", "uu"] {
            assert!(columns.layout(1..3).is_like(&Format::parse(format).unwrap()), "{format}");
        }
    }

    #[rstest]
    #[case("columns=(k)", "Number of columns in '(k)' does not match key format 'S' plus value format 'S'")]
    #[case("columns=(k,v,w)", "Number of columns in '(k,v,w)' does not match key format 'S' plus value format 'S'")]
    #[case("columns=", "table:t requires a table with named columns")]
    #[case(
        "key_format=2000000000i,columns=(k,v)",
        "Number of columns in '(k,v)' does not match key format '2000000000i' plus value format 'S'"
    )]
    fn lists_that_do_not_fit_are_refused(#[case] extra: &str, #[case] message: &str) {
        let error = Columns::parse("table:t", &format!("key_format=S,value_format=S,{extra}")).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
