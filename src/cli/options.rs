//! Command-line options in getopt's manner: bundled letters, attached or separate arguments, `--`, and the first word
//! that is no option ends them.
//!
//! Source: command-line specification, section 1.

use std::collections::VecDeque;
use zeroize::Zeroizing;

/// One option found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opt {
    /// The letter.
    pub(crate) letter: char,
    /// The argument of an option that takes one, else empty.
    pub(crate) argument: String,
}

/// Why the options can't be understood. The text is what getopt prints after the program's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadOption {
    /// No such option.
    Illegal(char),
    /// The option takes an argument and there is none.
    NoArgument(char),
}

impl std::fmt::Display for BadOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Illegal(letter) => write!(f, "illegal option -- {letter}"),
            Self::NoArgument(letter) => write!(f, "option requires an argument -- {letter}"),
        }
    }
}

/// Takes the options off the front of `words`; what stays are the operands. `letters` lists the options, a colon after
/// those that take an argument, as in `"Bc:"`.
pub(crate) fn take_options(words: &mut VecDeque<String>, letters: &str) -> Result<Vec<Opt>, BadOption> {
    let mut found = Vec::new();
    while let Some(word) = words.front() {
        if word == "--" {
            words.pop_front();
            break;
        }
        let Some(bundle) = word.strip_prefix('-').filter(|bundle| !bundle.is_empty()) else {
            break;
        };
        // Wiped, because the argument of an option may be a secret key.
        let bundle = Zeroizing::new(bundle.to_owned());
        drop(words.pop_front().map(Zeroizing::new));
        let mut rest = bundle.chars();
        while let Some(letter) = rest.next() {
            match takes_argument(letters, letter) {
                None => return Err(BadOption::Illegal(letter)),
                Some(false) => found.push(Opt { letter, argument: String::new() }),
                Some(true) => {
                    let attached = rest.as_str().to_owned();
                    let argument = if attached.is_empty() { words.pop_front() } else { Some(attached) };
                    let argument = argument.ok_or(BadOption::NoArgument(letter))?;
                    found.push(Opt { letter, argument });
                    break;
                }
            }
        }
    }
    Ok(found)
}

fn takes_argument(letters: &str, letter: char) -> Option<bool> {
    if letter == ':' {
        return None;
    }
    let at = letters.find(letter)?;
    Some(letters[at + letter.len_utf8()..].starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Options = Result<Vec<(char, String)>, BadOption>;

    fn take(line: &str, letters: &str) -> (Options, Vec<String>) {
        let mut words: VecDeque<String> = line.split_whitespace().map(str::to_owned).collect();
        let options = take_options(&mut words, letters)
            .map(|options| options.into_iter().map(|option| (option.letter, option.argument)).collect());
        (options, words.into())
    }

    #[test]
    fn options_may_be_bundled_and_arguments_attached_or_apart() {
        let (options, rest) = take("-rv -C a=1 -hdir list -c", "rvC:h:");
        let expected: Vec<(char, String)> =
            [('r', ""), ('v', ""), ('C', "a=1"), ('h', "dir")].map(|(letter, text)| (letter, text.to_owned())).to_vec();
        assert_eq!(options, Ok(expected));
        assert_eq!(rest, ["list", "-c"]);
    }

    #[test]
    fn a_double_dash_ends_options_and_a_single_one_is_an_operand() {
        assert_eq!(take("-v -- -x", "v").1, ["-x"]);
        assert_eq!(take("- -v", "v").1, ["-", "-v"]);
    }

    #[test]
    fn errors_name_the_letter() {
        assert_eq!(take("-vq", "v").0.unwrap_err().to_string(), "illegal option -- q");
        assert_eq!(take("-:", "v:").0.unwrap_err().to_string(), "illegal option -- :");
        assert_eq!(take("-C", "C:").0.unwrap_err().to_string(), "option requires an argument -- C");
    }
}
