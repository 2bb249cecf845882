//! A fault placed on purpose. If this target passes, the machinery does not find faults and no other pass means anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let [b'b', b'i', b'r', b'd', ..] = data {
        panic!("the canary sings");
    }
});
