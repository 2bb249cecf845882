//! The conformance kit, and sources that lie.

use hardwired_plugin::ErrorCode;
use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::conformance::check_compressor;
use hardwired_snappy::Snappy;

#[test]
fn it_keeps_the_promises_of_a_compressor() {
    check_compressor(&Snappy);
}

#[test]
fn lengths_that_lie_are_errors_without_memory_for_them() {
    let mut packed = vec![0; 200];
    let plain = b"abcdefgh".repeat(8);
    let len = Snappy.compress(&plain, &mut packed).unwrap().unwrap();
    packed.truncate(len);
    for stored in [u64::MAX, u64::MAX - 7, 1 << 40, len as u64] {
        let mut lying = packed.clone();
        lying[..8].copy_from_slice(&stored.to_le_bytes());
        let error = Snappy.decompress(&lying, &mut [0; 64]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ERROR);
        assert!(error.to_string().contains("WT_COMPRESSOR.decompress: stored size exceeds source size"), "{error}");
    }
    // The stream declares 4 GB.
    let bomb = [&5_u64.to_le_bytes()[..], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
    assert_eq!(Snappy.decompress(&bomb, &mut [0; 64]).unwrap_err().code(), ErrorCode::ERROR);
}
