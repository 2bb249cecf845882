//! Compiles the WiredTiger shim and links the library the environment names; does nothing without that feature.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "wiredtiger")]
    wiredtiger();
}

#[cfg(feature = "wiredtiger")]
fn wiredtiger() {
    let directory = |name: &str| {
        println!("cargo:rerun-if-env-changed={name}");
        let value = std::env::var(name).unwrap_or_else(|_| {
            panic!("the feature `wiredtiger` needs {name}: see benches/peers/README.md (build-wiredtiger.sh prints it)")
        });
        std::path::PathBuf::from(value)
    };
    let library = directory("WIREDTIGER_LIB_DIR");
    let include = directory("WIREDTIGER_INCLUDE_DIR");
    assert!(include.join("wiredtiger.h").exists(), "no wiredtiger.h in {}", include.display());

    println!("cargo:rerun-if-changed=shim/wiredtiger_shim.c");
    cc::Build::new()
        .file("shim/wiredtiger_shim.c")
        .include(&include)
        .opt_level(3)
        .debug(false)
        .warnings(true)
        .compile("peers_wt");
    println!("cargo:rustc-link-search=native={}", library.display());
    if library.join("libwiredtiger.a").exists() {
        println!("cargo:rustc-link-lib=static=wiredtiger");
        println!("cargo:rustc-link-lib=dylib=dl");
        println!("cargo:rustc-link-lib=dylib=pthread");
    } else {
        println!("cargo:rustc-link-lib=dylib=wiredtiger");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", library.display());
    }
}
