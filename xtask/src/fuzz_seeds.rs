//! `cargo xtask fuzz-seeds`: inputs to start from, taken out of real files and test vectors.
//!
//! They are made, not checked in: `tests/data` has the same bytes already.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

#[path = "../../fuzz/src/container.rs"]
#[expect(unreachable_pub, reason = "public where it lives")]
mod container;

#[path = "../../fuzz/src/sealed.rs"]
#[expect(unreachable_pub, reason = "public where it lives")]
#[allow(dead_code, reason = "the fuzz targets use the rest, and so do the module's own tests")]
mod sealed;

const CORPUS: &str = "tests/data/corpus";
const VECTORS: &str = "tests/data/vectors";

/// Whole directories larger than this would make each run slow.
const MAX_DATABASE_BYTES: u64 = 140_000;
/// Pages of each type: more of the same kind teach nothing.
const MAX_PAGES_PER_TYPE: usize = 60;
/// The offset of the page type in a block.
const PAGE_TYPE_AT: usize = 24;
/// The allocation sizes of the `cookies` target by its first byte: 512 << n.
const COOKIE_SIZES: [u64; 4] = [512, 1024, 2048, 4096];

/// Rebuilds `fuzz/seeds`.
pub(crate) fn run(root: &Path) -> Result<()> {
    let out = root.join("fuzz/seeds");
    if out.exists() {
        std::fs::remove_dir_all(&out)?;
    }
    let vectors = |name: &str| read_json(&root.join(VECTORS).join(name));
    write(&out, "config_string", config_strings(root, &vectors("config-parse.json")?)?)?;
    write(&out, "packing", packing(&vectors("packing-struct.json")?))?;
    write(&out, "cookies", cookies(&vectors("block-checkpoint-cookies.json")?))?;
    write(&out, "extent_list", extent_lists(&vectors("block-extent-lists.json")?)?)?;
    write(&out, "page", pages(root)?)?;
    write(&out, "metadata", metadata(root)?)?;
    write(&out, "history", history(&vectors("btree-history-store.json")?, &vectors("btree-modify.json")?))?;
    write(&out, "database", databases(root)?)?;
    Ok(())
}

/// Writes the seeds of one target, each once.
fn write(out: &Path, target: &str, mut seeds: Vec<Vec<u8>>) -> Result<()> {
    seeds.sort();
    seeds.dedup();
    ensure!(!seeds.is_empty(), "no seeds for {target}: is {CORPUS} or {VECTORS} incomplete?");
    let folder = out.join(target);
    std::fs::create_dir_all(&folder)?;
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("{number:04}")), seed)?;
    }
    println!("seeds {target}: {}", seeds.len());
    Ok(())
}

/// The parser's vectors, and every line of real turtle files.
fn config_strings(root: &Path, vectors: &Value) -> Result<Vec<Vec<u8>>> {
    let mut seeds: Vec<Vec<u8>> = list(&vectors["parse"]).iter().filter_map(|case| hex(&case["config_hex"])).collect();
    for turtle in files_named(root, |name| name == "WiredTiger.turtle")? {
        seeds.extend(std::fs::read(turtle)?.split(|&byte| byte == b'\n').map(<[u8]>::to_vec));
    }
    Ok(seeds)
}

/// Format, NUL, packed row.
fn packing(vectors: &Value) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    each_object(vectors, &mut |object| {
        let format = object.get("format").and_then(Value::as_str);
        let row = ["packed", "data"].iter().find_map(|field| hex(object.get(*field)?));
        if let (Some(format), Some(row)) = (format, row) {
            seeds.push([format.as_bytes(), &[0], &row].concat());
        }
    });
    seeds
}

/// The choice of allocation size, then the cookie.
fn cookies(vectors: &Value) -> Vec<Vec<u8>> {
    list(&vectors["cookies"])
        .iter()
        .filter_map(|case| {
            let size = case["allocation_size"].as_u64()?;
            let choice = COOKIE_SIZES.iter().position(|&known| known == size)?;
            Some([&[choice as u8], hex(&case["cookie_hex"])?.as_slice()].concat())
        })
        .collect()
}

/// What follows the headers of real list blocks.
fn extent_lists(vectors: &Value) -> Result<Vec<Vec<u8>>> {
    list(&vectors["lists"])
        .iter()
        .map(|case| {
            let block = hex(&case["block_prefix_hex"]).context("a list has its bytes")?;
            Ok(block.get(sealed::HEADER..).context("a list is longer than its headers")?.to_vec())
        })
        .collect()
}

/// Blocks of all types out of all files.
fn pages(root: &Path) -> Result<Vec<Vec<u8>>> {
    let mut by_type: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
    for path in files_named(root, |name| name.ends_with(".wt"))? {
        let file = std::fs::read(path)?;
        for range in sealed::blocks(&file) {
            let pages = by_type.entry(file[range.start + PAGE_TYPE_AT]).or_default();
            if pages.len() < MAX_PAGES_PER_TYPE {
                pages.push(file[range].to_vec());
            }
        }
    }
    Ok(by_type.into_values().flatten().collect())
}

/// Keys, values and modifications: every hexadecimal text of the vectors that is named so.
fn history(records: &Value, modifications: &Value) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for vectors in [records, modifications] {
        each_object(vectors, &mut |object| {
            seeds.extend(
                object
                    .iter()
                    .filter(|(name, _)| name.ends_with("hex") || *name == "packed")
                    .filter_map(|(_, value)| hex(value)),
            );
        });
    }
    seeds
}

/// Whole turtle files, and the metadata's values as far as a turtle holds them.
fn metadata(root: &Path) -> Result<Vec<Vec<u8>>> {
    files_named(root, |name| name == "WiredTiger.turtle")?.iter().map(|path| Ok(std::fs::read(path)?)).collect()
}

/// Small directories, damaged ones too.
fn databases(root: &Path) -> Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    for case in cases(root)? {
        let mut files = container::Files::new();
        let mut total = 0;
        for entry in std::fs::read_dir(case.join("db"))? {
            let entry = entry?;
            total += entry.metadata()?.len();
            let name = entry.file_name().into_string().ok().context("file names are UTF-8")?;
            files.insert(name, std::fs::read(entry.path())?);
        }
        if total <= MAX_DATABASE_BYTES {
            let packed = container::pack(&files).context("a small directory fits into a container")?;
            ensure!(
                container::unpack(&packed).as_ref() == Some(&files),
                "{} comes back from its container",
                case.display()
            );
            seeds.push(packed);
        }
    }
    Ok(seeds)
}

fn cases(root: &Path) -> Result<Vec<PathBuf>> {
    let mut cases = Vec::new();
    for group in ["read", "damaged"] {
        for entry in std::fs::read_dir(root.join(CORPUS).join(group))? {
            cases.push(entry?.path());
        }
    }
    cases.sort();
    Ok(cases)
}

fn files_named(root: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for case in cases(root)? {
        for entry in std::fs::read_dir(case.join("db"))? {
            let path = entry?.path();
            if path.file_name().and_then(|name| name.to_str()).is_some_and(&wanted) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Visits every object of a document.
fn each_object(value: &Value, visit: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|inner| each_object(inner, visit));
        }
        Value::Array(array) => array.iter().for_each(|inner| each_object(inner, visit)),
        _ => {}
    }
}

fn hex(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str().filter(|text| text.is_ascii() && text.len().is_multiple_of(2))?;
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
