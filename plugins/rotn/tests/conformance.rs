//! The conformance kit under both kinds of keys.

use hardwired_plugin::config::Config;
use hardwired_plugin::conformance::{Authentication, check_encryptor};
use hardwired_plugin::encryptor::Encryptor;
use hardwired_plugin::extension::{ExtensionContext, MessageLevel, Messages};
use hardwired_plugin::services::OfflineServices;
use hardwired_plugin::{ErrorCode, Result};
use hardwired_rotn::Rotn;
use std::sync::Arc;

struct Silent;

impl Messages for Silent {
    fn message(&self, _: MessageLevel, _: &str) {}
}

fn with(config: &str) -> Result<Rotn> {
    Rotn::new(&ExtensionContext::new(config, OfflineServices::new(Arc::new(Silent))))
}

fn customized(config: &str) -> Result<Arc<dyn Encryptor>> {
    Ok(with("").unwrap().customize(Config::single(config))?.expect("an instance of its own"))
}

#[test]
fn it_keeps_the_promises_of_an_encryptor() {
    for config in [
        "keyid=13",
        "keyid=39",
        "keyid=abc",
        "secretkey=HELLO",
        "keyid=300,secretkey=xyz",
        "keyid=7,secretkey=HelloWorld",
    ] {
        check_encryptor(&*customized(config).unwrap(), Authentication::None);
    }
}

#[test]
fn bad_keys_are_refused() {
    for (config, text) in
        [("keyid=-1", "rotn_customize: invalid keyid"), ("secretkey=A1", "rotn_customize: invalid key")]
    {
        let error = customized(config).err().unwrap();
        assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::EINVAL, text));
    }
    assert!(with("x=1").is_err());
}

#[test]
fn an_error_can_be_asked_for() {
    let rotn = with("rotn_force_error=true").unwrap().customize(Config::single("keyid=1")).unwrap().unwrap();
    let mut cipher = [0; 21];
    rotn.encrypt(b"a", &mut cipher).unwrap();
    assert_eq!(rotn.decrypt(&cipher, &mut [0; 21]).unwrap_err().code(), ErrorCode(-1000));
}

#[test]
fn debug_output_has_no_key() {
    assert_eq!(format!("{:?}", with("").unwrap()), "Rotn { key: \"...\", force_error: false }");
}
