//! A static library for a program in C. Its linker sees no registration that running code doesn't lead to: the built-in
//! extensions come from the engine's const list, the third party's is given explicitly.

use hardwired::extensions::linked;

/// Prints what a connection could load; 0 if that can be told.
#[unsafe(no_mangle)]
pub extern "C" fn names_print() -> i32 {
    match linked(&[&cellar_keys::EXTENSION]) {
        Ok(registry) => {
            registry.iter().for_each(|extension| println!("linked: {extension}"));
            0
        }
        Err(error) => {
            eprintln!("{error}");
            error.code().0
        }
    }
}
