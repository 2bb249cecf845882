//! The conformance kits of both kinds.

use hardwired_nop::{NopCompressor, NopEncryptor};
use hardwired_plugin::config::Config;
use hardwired_plugin::conformance::{Authentication, check_compressor, check_encryptor};
use hardwired_plugin::encryptor::Encryptor;

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
