//! Cookies: the first byte chooses the allocation size; the rest is a checkpoint cookie. What decodes encodes to a cookie
//! that decodes to the same.
#![no_main]

use hardwired::block::CheckpointCookie;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&choice, cookie)) = data.split_first() else { return };
    let allocation_size = 512 << (choice % 19);
    let Ok(decoded) = CheckpointCookie::decode(cookie, allocation_size) else { return };
    let encoded = decoded.encode(allocation_size).expect("what was decoded encodes");
    let again = CheckpointCookie::decode(&encoded, allocation_size).expect("what was encoded decodes");
    assert_eq!(again, decoded);
});
