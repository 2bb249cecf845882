//! The `metadata:create` view: for each row the string that `create` would need to make the object anew.
//!
//! Source: schema specification, section 4.

use super::database::Database;
use crate::Result;
use crate::config::collapse;
use crate::config::schema::WT_SESSION_CREATE;
use crate::plugin::config::Config;

impl Database {
    /// The string for `create` behind the row `key` with value `value`.
    pub(crate) fn create_form(&self, key: &str, value: &str) -> Result<String> {
        let defaults = WT_SESSION_CREATE.base;
        if let Some(table) = key.strip_prefix("table:") {
            let named_groups =
                Config::single(value).get("colgroups")?.is_some_and(|groups| groups.items().next().is_some());
            if named_groups {
                return collapse(&[value]);
            }
            let Some(group) = self.catalog.get(&format!("colgroup:{table}"))? else {
                return collapse(&[defaults, value]);
            };
            let file = self.source_value(&group)?;
            return collapse(&[defaults, &file, &group, value]);
        }
        let named = key.matches(':').count() > 1;
        if named && (key.starts_with("colgroup:") || key.starts_with("index:")) {
            let file = self.source_value(value)?;
            return collapse(&[defaults, &file, value]);
        }
        if key.starts_with("file:") || key.starts_with("colgroup:") {
            return collapse(&[defaults, value]);
        }
        Ok(value.to_owned())
    }

    fn source_value(&self, value: &str) -> Result<String> {
        let source = Config::single(value).text_or("source", "")?;
        Ok(self.catalog.get(source)?.unwrap_or_default())
    }
}
