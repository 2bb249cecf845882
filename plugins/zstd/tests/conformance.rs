//! The conformance kit, and sources that lie.

use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::conformance::check_compressor;
use hardwired_plugin::extension::{ExtensionContext, MessageLevel, Messages};
use hardwired_plugin::services::OfflineServices;
use hardwired_plugin::{ErrorCode, Result};
use hardwired_zstd::Zstd;
use std::sync::Arc;

struct Silent;

impl Messages for Silent {
    fn message(&self, _: MessageLevel, _: &str) {}
}

fn with(config: &str) -> Result<Zstd> {
    Zstd::new(&ExtensionContext::new(config, OfflineServices::new(Arc::new(Silent))))
}

fn compressor() -> Zstd {
    with("").unwrap()
}

#[test]
fn it_keeps_the_promises_of_a_compressor() {
    for level in ["", "compression_level=1", "compression_level=-5"] {
        check_compressor(&with(level).unwrap());
    }
}

#[test]
fn levels_change_the_output_and_are_clamped() {
    let plain: Vec<u8> = (0..5000_u32).flat_map(|n| format!("{}-", n * n % 977).into_bytes()).collect();
    let size = |config: &str| {
        let compressor = with(config).unwrap();
        compressor.compress(&plain, &mut vec![0; compressor.pre_size(&plain).unwrap()]).unwrap()
    };
    assert_eq!(size(""), size("compression_level=6"));
    assert!(size("compression_level=19") < size("compression_level=-5"));
    assert_eq!(size("compression_level=99"), size("compression_level=22"));
    let error = with("level=1").unwrap_err();
    assert_eq!(error.code(), ErrorCode::EINVAL);
    assert!(error.to_string().contains("unexpected configuration: level=1"), "{error}");
}

#[test]
fn lengths_that_lie_are_errors_without_memory_for_them() {
    let plain = b"abcdefgh".repeat(8);
    let mut packed = vec![0; 200];
    let len = compressor().compress(&plain, &mut packed).unwrap().unwrap();
    packed.truncate(len);
    for stored in [u64::MAX, 1 << 40, len as u64 - 7] {
        let mut lying = packed.clone();
        lying[..8].copy_from_slice(&stored.to_le_bytes());
        let error = compressor().decompress(&lying, &mut [0; 64]).unwrap_err();
        assert!(error.to_string().contains("stored size exceeds source size"), "{error}");
    }
    // A frame that declares a window of 2 GB and as much content, and holds one block.
    let bomb = [0x28, 0xb5, 0x2f, 0xfd, 0x80, 0xa8, 0, 0, 0, 0x80, 0x0d, 0, 0, 7];
    let packed = [&(bomb.len() as u64).to_le_bytes()[..], &bomb].concat();
    assert_eq!(compressor().decompress(&packed, &mut [0; 64]).unwrap_err().code(), ErrorCode::ERROR);
}
