//! The conformance kit, and sources that lie.

use hardwired_lz4::Lz4;
use hardwired_plugin::ErrorCode;
use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::conformance::check_compressor;

#[test]
fn it_keeps_the_promises_of_a_compressor() {
    check_compressor(&Lz4);
}

#[test]
fn numbers_that_lie_are_errors_without_memory_for_them() {
    let plain = b"abcdefgh".repeat(8);
    let mut packed = vec![0; Lz4.pre_size(&plain).unwrap()];
    let len = Lz4.compress(&plain, &mut packed).unwrap().unwrap();
    packed.truncate(len);
    for (at, number, text) in [
        (0, u32::MAX, "stored size exceeds source size"),
        (0, len as u32, "stored size exceeds source size"),
        (4, u32::MAX, "decoded length does not match the useful length"),
        (8, 63, "decoded length does not match the useful length"),
    ] {
        let mut lying = packed.clone();
        lying[at..at + 4].copy_from_slice(&number.to_le_bytes());
        let error = Lz4.decompress(&lying, &mut [0; 64]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ERROR);
        assert!(error.to_string().contains(text), "{error}");
    }
    // Both lengths agree on less than the block holds, or on more than the destination.
    for length in [63_u32, u32::MAX] {
        let mut lying = packed.clone();
        lying[4..8].copy_from_slice(&length.to_le_bytes());
        lying[8..12].copy_from_slice(&length.to_le_bytes());
        assert_eq!(Lz4.decompress(&lying, &mut [0; 64]).unwrap_err().code(), ErrorCode::ERROR);
    }
}
