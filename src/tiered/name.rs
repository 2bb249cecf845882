//! Names of objects.

/// The URI prefix of trees.
pub(crate) const TREE_PREFIX: &str = "tiered:";
const SUFFIX: &str = ".wtobj";
const DIGITS: usize = 10;

/// The file name of an object: `t-0000000001.wtobj`.
pub(crate) fn object_name(base: &str, number: u32) -> String {
    format!("{base}-{number:010}{SUFFIX}")
}

/// The number in the name of an object of `base`.
pub(crate) fn object_number(base: &str, name: &str) -> Option<u32> {
    let digits = name.strip_prefix(base)?.strip_prefix('-')?.strip_suffix(SUFFIX)?;
    let plain = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(1, "a-0000000001.wtobj")]
    #[case(42, "a-0000000042.wtobj")]
    #[case(u32::MAX, "a-4294967295.wtobj")]
    fn names_have_ten_digits(#[case] number: u32, #[case] name: &str) {
        assert_eq!(object_name("a", number), name);
        assert_eq!(object_number("a", name), Some(number));
    }

    #[rstest::rstest]
    #[case("a-1.wtobj")]
    #[case("a-+000000001.wtobj")]
    #[case("a-9999999999.wtobj")]
    #[case("ab-0000000001.wtobj")]
    #[case("a-b-0000000001.wtobj")]
    #[case("a-0000000001.wtobj.TMP")]
    #[case("a-0000000001")]
    fn other_names_are_no_objects(#[case] name: &str) {
        assert_eq!(object_number("a", name), None);
    }
}
