//! The entries of `extensions=[...]`.

use hardwired_plugin::config::{ConfigParser, Item, ItemKind};
use hardwired_plugin::extension::{DEFAULT_ENTRY, DEFAULT_TERMINATE, MessageLevel, Messages};
use hardwired_plugin::{Error, Result};

/// One entry: which extension, and how to load it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionRequest {
    /// A name, or the path of a library that would hold it; `local` for the program itself.
    pub path: String,
    /// Load it before any file of the home is touched.
    pub early_load: bool,
    /// The extension's own configuration string, without the delimiters around it.
    pub config: String,
    /// The entry function's symbol.
    pub entry: String,
    /// The symbol of the function to run after close. It need not exist.
    pub terminate: String,
}

impl ExtensionRequest {
    /// An entry that consists of a path alone.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            early_load: false,
            config: String::new(),
            entry: DEFAULT_ENTRY.to_owned(),
            terminate: DEFAULT_TERMINATE.to_owned(),
        }
    }

    /// Reads a sub-configuration. Returns the keys that don't belong to one.
    pub(super) fn configure(&mut self, sub_configuration: &str) -> Result<Vec<String>> {
        let mut unknown = Vec::new();
        for item in ConfigParser::new(sub_configuration) {
            let (key, value) = item?;
            match key.text() {
                "config" => self.config = undelimited(value).to_owned(),
                "early_load" => {
                    self.early_load = value.as_bool().map_err(|_| self.invalid("early_load", "a boolean"))?;
                }
                "entry" => self.entry = value.text().to_owned(),
                "terminate" => self.terminate = value.text().to_owned(),
                other => unknown.push(other.to_owned()),
            }
        }
        Ok(unknown)
    }

    fn invalid(&self, key: &str, expected: &str) -> Error {
        Error::invalid(format!("extension '{}': Invalid value for key '{key}': expected {expected}", self.path))
    }
}

/// Reads the value of `extensions`, `None` where the key is absent.
///
/// Keys of a sub-configuration that have no meaning are reported as warnings: WiredTiger accepts them in the list.
///
/// # Errors
/// `EINVAL` if the value isn't a list, or an entry's value isn't of its key's type.
pub fn parse_extensions(extensions: Option<Item<'_>>, messages: &dyn Messages) -> Result<Vec<ExtensionRequest>> {
    let Some(extensions) = extensions.filter(|value| !value.is_empty()) else { return Ok(Vec::new()) };
    if extensions.kind() != ItemKind::Struct {
        return Err(Error::invalid("Invalid value for key 'extensions': expected a list"));
    }
    let mut requests = Vec::new();
    for item in extensions.items() {
        let (path, sub_configuration) = item?;
        let mut request = ExtensionRequest::new(path.text());
        for key in request.configure(sub_configuration.text())? {
            let text = format!("extension '{}': unknown configuration key '{key}' has no effect", request.path);
            messages.message(MessageLevel::Warning, &text);
        }
        requests.push(request);
    }
    Ok(requests)
}

/// The text of a value without the brackets of a structure.
fn undelimited(value: Item<'_>) -> &str {
    let text = value.text();
    if value.kind() != ItemKind::Struct {
        return text;
    }
    text.strip_prefix(['(', '[', '{']).and_then(|text| text.strip_suffix([')', ']', '}'])).unwrap_or(text)
}
