//! From an entry's name or path to the linked extension it means.

use super::ExtensionRequest;
use super::known::Known;
use hardwired_plugin::extension::Extension;
use hardwired_plugin::registry::Registry;
use hardwired_plugin::{Error, ErrorCode, Result};

/// The path that means the running program.
const LOCAL: &str = "local";

/// Finds the extension that an entry means.
///
/// Tried in this order: the exact name; the last component of the path; that component without `lib`, `wiredtiger_` and
/// the library suffix. Where extensions of several kinds answer, the path's folders decide (`encryptors/nop`). The path
/// `local` means the extension whose entry function is the one that `entry=` names.
///
/// # Errors
/// `WT_ERROR` if nothing of that name is linked: the message lists what is, and says how to add a known one. `ENOENT` if
/// the extension has no such entry function. `EINVAL` if several extensions answer.
pub fn resolve(registry: &Registry, request: &ExtensionRequest) -> Result<&'static Extension> {
    if request.path == LOCAL {
        let found = registry.iter().filter(|extension| extension.has_own_entry(&request.entry)).collect();
        return one(found, request).unwrap_or_else(|| Err(no_entry(registry, request)));
    }
    let base = base_name(&request.path);
    let stripped = strip(base);
    let found = [base, stripped].into_iter().find_map(|name| one(answering(registry, name), request));
    let extension = found.unwrap_or_else(|| Err(not_linked(registry, request, stripped)))?;
    if !extension.has_entry(&request.entry) {
        return Err(no_entry(registry, request));
    }
    Ok(extension)
}

/// Those of that name, else those that answer to it.
fn answering(registry: &Registry, name: &str) -> Vec<&'static Extension> {
    let exact: Vec<_> = registry.iter().filter(|extension| extension.name() == name).collect();
    if !exact.is_empty() {
        return exact;
    }
    registry.iter().filter(|extension| extension.answers_to(name)).collect()
}

/// The one candidate, or the one whose kind the path names; `None` where there is no candidate.
fn one(candidates: Vec<&'static Extension>, request: &ExtensionRequest) -> Option<Result<&'static Extension>> {
    let (first, rest) = candidates.split_first()?;
    if rest.is_empty() {
        return Some(Ok(first));
    }
    let named = |extension: &&&Extension| components(&request.path).any(|it| it == extension.kind().path_component());
    let of_kind: Vec<_> = candidates.iter().filter(named).collect();
    if let [extension] = of_kind[..] {
        return Some(Ok(extension));
    }
    let list: Vec<_> = candidates.iter().map(ToString::to_string).collect();
    Some(Err(Error::invalid(format!(
        "extension '{}' is ambiguous: {}; name the kind by a folder, as in '{}/{}'",
        request.path,
        list.join(", "),
        first.kind().path_component(),
        first.name(),
    ))))
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split(['/', '\\'])
}

fn base_name(path: &str) -> &str {
    components(path).next_back().unwrap_or(path)
}

/// `libwiredtiger_snappy.so.1` is `snappy`.
fn strip(base: &str) -> &str {
    let stem = [".so", ".dylib", ".dll"].into_iter().find_map(|suffix| match base.rsplit_once(suffix) {
        Some((stem, version)) if version.is_empty() || version.starts_with('.') => Some(stem),
        _ => None,
    });
    let stem = stem.unwrap_or(base);
    let stem = stem.strip_prefix("lib").unwrap_or(stem);
    stem.strip_prefix("wiredtiger_").unwrap_or(stem)
}

fn not_linked(registry: &Registry, request: &ExtensionRequest, stripped: &str) -> Error {
    let advice = match Known::find(stripped) {
        Some(known) => known.advice(),
        None => "a crate that provides it has to be named once in the program, as in 'use that_crate as _;'".to_owned(),
    };
    let path = if stripped == request.path { String::new() } else { format!(" (named by '{}')", request.path) };
    let text = format!("extension '{stripped}'{path} is not linked into this program; {}; {advice}", list(registry));
    Error::new(ErrorCode::ERROR, text)
}

fn no_entry(registry: &Registry, request: &ExtensionRequest) -> Error {
    let text = format!("extension '{}' has no entry function '{}'; {}", request.path, request.entry, list(registry));
    Error::new(ErrorCode::ENOENT, text)
}

fn list(registry: &Registry) -> String {
    if registry.is_empty() {
        return "no extension is linked".to_owned();
    }
    let names: Vec<_> =
        registry.iter().map(|extension| format!("{} ({})", extension.name(), extension.kind())).collect();
    format!("linked: {}", names.join(", "))
}
