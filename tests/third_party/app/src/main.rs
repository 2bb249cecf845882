//! A third party's program: names the plugin crate once, and finds its extension by name.

// Without this line the linker never sees the crate.
use cellar_keys as _;

use hardwired::extensions::{LoadedExtensions, linked};
use hardwired::plugin::config::lookup;
use hardwired::plugin::extension::{MessageLevel, Messages};
use std::sync::Arc;

struct Print;

impl Messages for Print {
    fn message(&self, level: MessageLevel, text: &str) {
        println!("{level:?}: {text}");
    }
}

fn main() -> hardwired::Result<()> {
    let registry = linked(&[])?;
    for extension in registry.iter() {
        println!("linked: {extension}");
    }
    let config = "create,extensions=[/opt/lib/libcellar_keys.so=(early_load=true,config=(oak=1))]";
    let mut extensions = LoadedExtensions::new(registry, Arc::new(Print));
    extensions.load_early(lookup(config, "extensions")?)?;
    let (extension, provider) = extensions.key_provider().expect("a key provider is loaded");
    println!("key provider: {}", extension.name());
    provider.load_key_blob(None)?;
    extensions.terminate()
}
