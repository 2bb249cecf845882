//! The conformance kit with authentication, and keys that can't be.

use hardwired_plugin::config::Config;
use hardwired_plugin::conformance::{Authentication, check_encryptor};
use hardwired_plugin::encryptor::Encryptor;
use hardwired_plugin::{Error, ErrorCode};
use hardwired_sodium::Sodium;

const KEY: &str = "561c7e6a5691ac80ee07001b046607aedccaebc40f2d23a852a358582a3130ae";

fn encryptor() -> Sodium {
    Sodium::with_key(&[7; 32])
}

fn refusal(config: &str) -> Error {
    encryptor().customize(Config::single(config)).err().expect("a bad key")
}

#[test]
fn it_keeps_the_promises_of_an_encryptor() {
    check_encryptor(&encryptor(), Authentication::Checked);
    let config = format!("secretkey={KEY}");
    let customized = encryptor().customize(Config::single(&config)).unwrap().expect("an instance of its own");
    check_encryptor(&*customized, Authentication::Checked);
}

#[test]
fn bad_keys_are_refused_without_being_shown() {
    let both = format!("keyid=1,secretkey={KEY}");
    for (config, text) in [
        ("keyid=1", "keyids not supported yet"),
        ("", "no key given with either keyid= or secretkey="),
        (&both, "keys specified with both keyid= and secretkey="),
        ("secretkey=zz", "secret key not hex"),
        ("secretkey=abc", "secret key not hex"),
        ("secretkey=abcd", "wrong secret key length"),
    ] {
        let error = refusal(config);
        assert_eq!(error.code(), ErrorCode::EINVAL, "{config}");
        let shown = error.to_string();
        assert!(shown.contains(text), "{error}");
        assert!(!shown.contains("abcd") && !shown.contains(KEY), "{error}");
    }
}

#[test]
fn debug_output_has_no_key() {
    assert_eq!(format!("{:?}", encryptor()), "Sodium { key: \"...\" }");
}

#[test]
fn another_key_another_version_and_another_cipher_are_told_apart() {
    let mut cipher = vec![0; 10 + encryptor().sizing().unwrap()];
    let len = encryptor().encrypt(b"0123456789", &mut cipher).unwrap();
    let decrypt = |encryptor: &Sodium, cipher: &[u8]| encryptor.decrypt(cipher, &mut vec![0; len]).unwrap_err();
    let error = decrypt(&Sodium::with_key(&[8; 32]), &cipher);
    assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::ERROR, "sodium: decryption failed"));
    cipher[1] = 2;
    assert_eq!(decrypt(&encryptor(), &cipher).to_string(), "sodium: unknown cipher 2");
    cipher[0] = 3;
    assert_eq!(decrypt(&encryptor(), &cipher).to_string(), "sodium: unknown format version 3");
}
