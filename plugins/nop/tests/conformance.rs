//! The conformance kits of both kinds, and round trips of any bytes.

use hardwired_nop::{NopCompressor, NopEncryptor};
use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::config::Config;
use hardwired_plugin::conformance::{Authentication, check_compressor, check_encryptor};
use hardwired_plugin::encryptor::Encryptor;
use proptest::prelude::*;

fn compressor() -> NopCompressor {
    NopCompressor
}

fn encryptor() -> NopEncryptor {
    NopEncryptor
}

#[test]
fn it_keeps_the_promises_of_a_compressor_and_of_an_encryptor() {
    check_compressor(&NopCompressor);
    check_encryptor(&NopEncryptor, Authentication::None);
}

#[test]
fn one_kind_of_key_is_enough() {
    let error = NopEncryptor.customize(Config::single("keyid=2,secretkey=ABC")).err().unwrap();
    assert_eq!(error.to_string(), "nop_customize: keys specified with both keyid= and secretkey=");
    assert!(NopEncryptor.customize(Config::single("keyid=2")).unwrap().is_none());
}

proptest! {
    #[test]
    fn what_is_compressed_comes_back(units in prop::collection::vec(any::<Vec<u8>>(), 0..20), repeat in 1..20_usize) {
        let plain = units.concat().repeat(repeat);
        let compressor = compressor();
        let mut packed = vec![0; compressor.pre_size(&plain).unwrap()];
        if let Some(len) = compressor.compress(&plain, &mut packed).unwrap() {
            packed.truncate(len);
            packed.extend_from_slice(&[0; 100]);
            let mut out = vec![0; plain.len()];
            prop_assert_eq!(compressor.decompress(&packed, &mut out).unwrap(), plain.len());
            prop_assert_eq!(out, plain);
        }
    }

    #[test]
    fn any_source_is_safe(source: Vec<u8>, len in 0..4096_usize) {
        let _ = compressor().decompress(&source, &mut vec![0; len]);
    }
}

proptest! {
    #[test]
    fn what_is_encrypted_comes_back(plain: Vec<u8>) {
        let encryptor = encryptor();
        let mut cipher = vec![0; plain.len() + encryptor.sizing().unwrap()];
        let len = encryptor.encrypt(&plain, &mut cipher).unwrap();
        let mut out = vec![0; len];
        prop_assert_eq!(encryptor.decrypt(&cipher[..len], &mut out).unwrap(), plain.len());
        prop_assert_eq!(&out[..plain.len()], &plain);
    }

    #[test]
    fn any_cipher_text_is_safe(cipher: Vec<u8>, len in 0..200_usize) {
        let _ = encryptor().decrypt(&cipher, &mut vec![0; len]);
    }
}
