//! The encryption of a database: its key on the way from the configuration to the encryptor, and what to say if it is the
//! wrong one.
//!
//! 1. The secret key stands in what the caller passed, and in copies that are wiped when the open is over.
//! 2. No message contains it.
//! 3. A wrong key shows when the metadata is looked at, before anything is changed.
//!
//! Source: extensions specification, section 11.2.

use crate::block::KeyedEncryptor;
use crate::extensions::ExtensionTable;
use crate::metadata::METADATA_URI;
use crate::page::transform::NO_ENCRYPTION;
use crate::plugin::config::Config;
use crate::{Error, ErrorCode, Result};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What is left out where the whole configuration is put together.
pub(super) const STRIP: &str = "encryption=(secretkey=)";
/// The key whose value is a secret.
const SECRET: &str = "secretkey";

/// The value of the key `encryption` of a whole stack.
#[derive(Default)]
pub(super) struct Encryption {
    name: String,
    keyid: String,
    /// With the secret key.
    config: Zeroizing<String>,
}

impl Encryption {
    /// Takes it from a stack of configuration strings.
    ///
    /// # Errors
    /// `EINVAL` for a key without an encryptor.
    pub(super) fn parse(stack: &[&str]) -> Result<Self> {
        let config = Config::new(stack);
        let (name, keyid) = (config.get("encryption.name")?, config.get("encryption.keyid")?);
        let secret = config.get("encryption.secretkey")?;
        let name_text = name.map_or("", |item| item.text());
        if name_text.is_empty() || name_text == "none" {
            for (key, value) in [("keyid", keyid), (SECRET, secret)] {
                if value.is_some_and(|value| !value.is_empty()) {
                    return Err(Error::invalid(format!("encryption.{key} requires encryption.name to be set")));
                }
            }
            return Ok(Self::default());
        }
        let parts = [("keyid", keyid), ("name", name), (SECRET, secret)];
        let given = parts.iter().filter_map(|(key, item)| Some((*key, item.filter(|item| !item.is_empty())?)));
        // Built at once: a string that grows leaves copies behind.
        let len = given.clone().map(|(key, item)| key.len() + item.source().len() + 2).sum();
        let mut text = Zeroizing::new(String::with_capacity(len));
        for (key, item) in given {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(key);
            text.push('=');
            text.push_str(item.source());
        }
        let keyid = keyid.map_or("", |item| item.text()).to_owned();
        Ok(Self { name: name_text.to_owned(), keyid, config: text })
    }

    /// The encryptor with its key; `None`: the database isn't encrypted.
    ///
    /// # Errors
    /// `EINVAL`, `unknown encryptor 'NAME'`; those of the encryptor.
    pub(super) fn encryptor(self, table: &ExtensionTable) -> Result<Option<Arc<KeyedEncryptor>>> {
        table.encryptor(&self.name, &self.keyid, Config::single(&self.config))
    }
}

/// What the failure of the first look at the metadata means: with another key its pages look damaged.
pub(super) fn explain(error: Error, is_encrypted: bool) -> Error {
    let Error::Corrupt(_) = &error else { return error };
    let cause = error.to_string();
    if !is_encrypted && !cause.contains(NO_ENCRYPTION) {
        return error;
    }
    let text = format!(
        "{cause}\n\
         unable to read root page from {METADATA_URI}\n\
         WiredTiger has failed to open its metadata\n\
         This may be due to the database files being encrypted, being from an older version or due to corruption on disk\n\
         You should confirm that you have opened the database with the correct options including all encryption and \
         compression options"
    );
    Error::new(ErrorCode::EINVAL, text)
}

/// The error without what follows the word `secretkey` in its text: a refusal of a configuration quotes it.
pub(super) fn redacted(error: Error) -> Error {
    let text = Zeroizing::new(error.to_string());
    if !text.contains(SECRET) {
        return error;
    }
    let mut out = String::new();
    let mut rest = &text[..];
    while let Some((before, after)) = rest.split_once(SECRET) {
        out.extend([before, SECRET]);
        if after.trim_start().starts_with(['=', ':', '"']) {
            let value = after.trim_start_matches([' ', '=', ':', '"']);
            out.push_str("=...");
            rest = value.trim_start_matches(|c: char| !matches!(c, ',' | ')' | ']' | '}' | '"' | '\'' | '\n'));
        } else {
            rest = after;
        }
    }
    out.push_str(rest);
    Error::new(error.code(), out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&["encryption=(keyid=,name=,secretkey=)"], "", "", "")]
    #[case(&["encryption=(name=none)"], "", "", "")]
    #[case(&["encryption=(keyid=11,name=rotn)", "encryption=(secretkey=ABC)"], "rotn", "11", "keyid=11,name=rotn,secretkey=ABC")]
    #[case(&["encryption=(name=sodium)", "encryption=(secretkey=\"0,1\")"], "sodium", "", "name=sodium,secretkey=\"0,1\"")]
    fn the_parts_come_from_the_whole_stack(
        #[case] stack: &[&str],
        #[case] name: &str,
        #[case] keyid: &str,
        #[case] config: &str,
    ) {
        let parsed = Encryption::parse(stack).unwrap();
        assert_eq!((&parsed.name[..], &parsed.keyid[..], &parsed.config[..]), (name, keyid, config));
    }

    #[rstest]
    #[case("encryption=(keyid=5)", "encryption.keyid requires encryption.name to be set")]
    #[case("encryption=(name=none,keyid=5)", "encryption.keyid requires encryption.name to be set")]
    #[case("encryption=(secretkey=ABC)", "encryption.secretkey requires encryption.name to be set")]
    fn a_key_without_an_encryptor_is_refused(#[case] config: &str, #[case] text: &str) {
        let error = Encryption::parse(&[config]).err().unwrap();
        assert_eq!((error.code(), error.to_string()), (ErrorCode::EINVAL, text.to_owned()));
    }

    #[rstest]
    #[case(
        "Error parsing 'encryption=(name=x,secretkey=ABC' at",
        "Error parsing 'encryption=(name=x,secretkey=...' at"
    )]
    #[case("secretkey=\"A B\",x=1", "secretkey=...\",x=1")]
    #[case("two: secretkey=A,secretkey : B", "two: secretkey=...,secretkey=...")]
    #[case("a secretkey is needed", "a secretkey is needed")]
    fn no_secret_is_quoted(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(redacted(Error::invalid(text)).to_string(), expected);
    }

    #[test]
    fn only_damage_is_explained_and_only_where_a_key_can_be_the_cause() {
        let damage = || Error::corrupt(METADATA_URI, 4096, "keys out of order");
        assert!(matches!(explain(damage(), false), Error::Corrupt(_)));
        assert_eq!(explain(Error::invalid("x"), true).to_string(), "x");
        let error = explain(damage(), true);
        assert_eq!((error.code(), error.to_string().lines().count()), (ErrorCode::EINVAL, 5));
        assert_eq!(explain(Error::corrupt(METADATA_URI, 0, NO_ENCRYPTION), false).code(), ErrorCode::EINVAL);
    }
}
