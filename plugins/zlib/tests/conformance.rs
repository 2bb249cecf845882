//! The conformance kit, and sources that lie.

use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::conformance::check_compressor;
use hardwired_plugin::extension::{ExtensionContext, MessageLevel, Messages};
use hardwired_plugin::services::OfflineServices;
use hardwired_plugin::{ErrorCode, Result};
use hardwired_zlib::Zlib;
use std::sync::Arc;

struct Silent;

impl Messages for Silent {
    fn message(&self, _: MessageLevel, _: &str) {}
}

fn with(config: &str) -> Result<Zlib> {
    Zlib::new(&ExtensionContext::new(config, OfflineServices::new(Arc::new(Silent))))
}

fn compressor() -> Zlib {
    with("").unwrap()
}

#[test]
fn it_keeps_the_promises_of_a_compressor() {
    for level in ["", "compression_level=1", "compression_level=9"] {
        check_compressor(&with(level).unwrap());
    }
}

#[test]
fn levels_are_checked_and_change_the_output() {
    for (config, text) in [
        ("compression_level=10", "zlib_init_config: unsupported compression level 10"),
        ("compression_level=-2", "zlib_init_config: unsupported compression level -2"),
        ("compression_level=x", "unexpected configuration: compression_level=x"),
        ("level=1", "unexpected configuration: level=1"),
    ] {
        let error = with(config).unwrap_err();
        assert_eq!(error.code(), ErrorCode::EINVAL);
        assert!(error.to_string().contains(text), "{error}");
    }
    let plain: Vec<u8> = (0..5000_u32).flat_map(|n| format!("{}-", n * n % 977).into_bytes()).collect();
    let size = |config: &str| with(config).unwrap().compress(&plain, &mut vec![0; plain.len()]).unwrap();
    assert!(size("compression_level=9") < size("compression_level=1"));
    assert_eq!(size("compression_level=-1"), size("compression_level=6"));
    // Nothing is compressed at level 0, so the output doesn't fit.
    assert_eq!(size("compression_level=0"), None);
}

#[test]
fn cut_and_damaged_streams_are_told_apart() {
    let plain = b"abcdefgh".repeat(8);
    let mut packed = [0; 64];
    let len = compressor().compress(&plain, &mut packed).unwrap().unwrap();
    let error = compressor().decompress(&packed[..len - 1], &mut [0; 64]).unwrap_err();
    assert_eq!(error.to_string(), "zlib error: inflate: buffer error: -5");
    // A stream that goes on beyond the destination.
    assert!(compressor().decompress(&packed[..len], &mut [0; 63]).is_err());
    packed[len - 1] ^= 1;
    let error = compressor().decompress(&packed[..len], &mut [0; 64]).unwrap_err();
    assert_eq!(error.to_string(), "zlib error: inflate: data error: -3");
}
