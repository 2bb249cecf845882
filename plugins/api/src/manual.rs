//! How to write an extension: a manual with a chapter for each kind. Every example in it compiles and runs as a test.
//!
//! | chapter | for |
//! | --- | --- |
//! | [`first_steps`] | everybody: the crate, its name, its options, errors, panics, threads |
//! | [`key_providers`] | keeping a key blob with each checkpoint |
//! | [`compressors`] | compressing blocks and log records |
//! | [`encryptors`] | encrypting blocks and log records |
//! | [`collators`] | another order of keys |
//! | [`file_systems`] | reaching files in another way |
//! | [`data_sources`] | objects of your own behind sessions and cursors |
//! | [`storage_sources`] | buckets for tiered tables |
//! | [`testing`] | conformance kits, and what else to test |

#[doc = include_str!("../manual/first_steps.md")]
pub mod first_steps {}

#[doc = include_str!("../manual/key_providers.md")]
pub mod key_providers {}

#[doc = include_str!("../manual/compressors.md")]
pub mod compressors {}

#[doc = include_str!("../manual/encryptors.md")]
pub mod encryptors {}

#[doc = include_str!("../manual/collators.md")]
pub mod collators {}

#[doc = include_str!("../manual/file_systems.md")]
pub mod file_systems {}

#[doc = include_str!("../manual/data_sources.md")]
pub mod data_sources {}

#[doc = include_str!("../manual/storage_sources.md")]
pub mod storage_sources {}

#[doc = include_str!("../manual/testing.md")]
pub mod testing {}
