//! What the engine relies on in an encryptor.

use super::{THREADS, lengths, noise, samples, texts};
use crate::ErrorCode;
use crate::encryptor::Encryptor;

/// Whether a scheme notices that a cipher text isn't its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Any change is an error, and no two encryptions of a text are equal.
    Checked,
    /// A changed text may decrypt to anything.
    None,
}

/// Checks an encryptor that has its key (for most: what [`customize`](Encryptor::customize) gave):
/// 1. what it encrypts comes back, in a destination of the cipher text's length;
/// 2. it doesn't grow the text by more than [`sizing`](Encryptor::sizing) says, which always says the same;
/// 3. a destination that is too small is an error (`ENOMEM`) and nothing is written past it;
/// 4. cut, damaged and invented cipher texts don't make it panic, and are errors where the scheme authenticates;
/// 5. it may be used by several threads at once.
///
/// # Panics
/// If one of them doesn't hold.
///
/// ```
/// # use hardwired_plugin::encryptor::Encryptor;
/// # use hardwired_plugin::{Error, ErrorCode, Result};
/// /// Turns every bit over. Don't use it.
/// struct Negative;
///
/// fn negate(source: &[u8], destination: &mut [u8]) -> Result<usize> {
///     let too_small = || Error::new(ErrorCode::ENOMEM, "buffer too small");
///     let out = destination.get_mut(..source.len()).ok_or_else(too_small)?;
///     out.iter_mut().zip(source).for_each(|(out, byte)| *out = !byte);
///     Ok(source.len())
/// }
///
/// impl Encryptor for Negative {
///     fn sizing(&self) -> Result<usize> {
///         Ok(0)
///     }
///     fn encrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
///         negate(source, destination)
///     }
///     fn decrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
///         negate(source, destination)
///     }
/// }
///
/// use hardwired_plugin::conformance::{Authentication, check_encryptor};
/// check_encryptor(&Negative, Authentication::None);
/// ```
pub fn check_encryptor(encryptor: &dyn Encryptor, authentication: Authentication) {
    let expansion = encryptor.sizing().expect("the expansion can be told");
    let samples = samples();
    for plain in &samples {
        check_sample(encryptor, authentication, plain, expansion);
    }
    for len in [0, 1, 3, 4, 19, 20, 27, 28, 43, 44, 45, 64, 1000] {
        for seed in 0..20 {
            let result = encryptor.decrypt(&noise(len, seed), &mut vec![0; len]);
            assert!(authentication == Authentication::None || result.is_err(), "{len} invented bytes are accepted");
        }
    }
    for (seed, plain) in texts().enumerate() {
        let cipher = encrypted(encryptor, &plain, expansion);
        assert_eq!(decrypted(encryptor, &cipher).as_deref(), Some(&plain[..]), "text {seed}");
        // What is nobody's cipher text, in a destination of any length.
        let _ = encryptor.decrypt(&plain, &mut vec![0; usize::from(noise(1, seed as u64)[0])]);
    }
    assert_eq!(encryptor.sizing().expect("the expansion can be told"), expansion, "the expansion is a constant");
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for plain in &samples {
                    let cipher = encrypted(encryptor, plain, expansion);
                    assert_eq!(decrypted(encryptor, &cipher).as_deref(), Some(&plain[..]));
                }
            });
        }
    });
}

fn encrypted(encryptor: &dyn Encryptor, plain: &[u8], expansion: usize) -> Vec<u8> {
    let mut cipher = vec![0xaa; plain.len() + expansion];
    let len = encryptor.encrypt(plain, &mut cipher).expect("any text can be encrypted");
    assert!(len <= cipher.len(), "claims {len} bytes in a destination of {}", cipher.len());
    cipher.truncate(len);
    cipher
}

fn decrypted(encryptor: &dyn Encryptor, cipher: &[u8]) -> Option<Vec<u8>> {
    let mut plain = vec![0x55; cipher.len()];
    let len = encryptor.decrypt(cipher, &mut plain).ok()?;
    assert!(len <= plain.len(), "claims {len} bytes in a destination of {}", plain.len());
    plain.truncate(len);
    Some(plain)
}

fn check_sample(encryptor: &dyn Encryptor, authentication: Authentication, plain: &[u8], expansion: usize) {
    let cipher = encrypted(encryptor, plain, expansion);
    assert_eq!(decrypted(encryptor, &cipher).as_deref(), Some(plain), "what was encrypted comes back");
    for size in lengths(cipher.len()) {
        let error = encryptor.encrypt(plain, &mut vec![0; size]).expect_err("a destination that is too small");
        assert_eq!(error.code(), ErrorCode::ENOMEM, "{error}");
    }
    let is_refused = |damaged: &[u8], what: &str| {
        let result = decrypted(encryptor, damaged);
        assert!(authentication == Authentication::None || result.is_none(), "{what} is accepted");
    };
    for len in lengths(cipher.len()) {
        is_refused(&cipher[..len], "a cipher text that is cut off");
    }
    for at in lengths(cipher.len()) {
        let mut damaged = cipher.clone();
        damaged[at] ^= 1 << (at % 8);
        is_refused(&damaged, "a changed cipher text");
    }
    is_refused(&[&cipher[..], &[0]].concat(), "a cipher text with a byte too much");
    if authentication == Authentication::Checked {
        assert_ne!(encrypted(encryptor, plain, expansion), cipher, "two encryptions of one text are equal");
    }
}
