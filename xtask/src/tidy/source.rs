//! A view of Rust source text that is good enough for repository checks: comments and literals blanked out, tokens with
//! their lines, and the module each token stands in.

/// A word or a punctuation character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub text: &'a str,
    /// Counted from 1.
    pub line: usize,
    /// Inline modules (`mod tests { ... }`) around the token.
    pub inline_depth: usize,
}

/// The text with comments and the insides of literals replaced by blanks; line breaks stay.
pub(super) fn blank_out(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut output = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => find(bytes, at, b"\n").unwrap_or(bytes.len()),
            b'/' if bytes[at..].starts_with(b"/*") => end_of_block_comment(bytes, at),
            b'"' => end_of_string(bytes, at),
            b'r' | b'b' | b'c' if !follows_word(bytes, at) => match end_of_prefixed_string(bytes, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            b'\'' => match end_of_char(bytes, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            _ => {
                at += 1;
                continue;
            }
        };
        for byte in &mut output[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    // Only whole characters were replaced, each byte by a blank.
    String::from_utf8(output).unwrap_or_default()
}

/// Tokens of text that [`blank_out`] made.
pub(super) fn tokens(blanked: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut line = 1;
    let mut braces = 0_usize;
    let mut modules: Vec<usize> = Vec::new();
    let mut rest = blanked;
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) {
            rest.find(|c: char| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (text, after) = rest.split_at(length);
        rest = after;
        match text {
            "\n" => line += 1,
            "{" => {
                if let [.., before, _] = tokens.as_slice()
                    && before.text == "mod"
                {
                    modules.push(braces);
                }
                braces += 1;
            }
            "}" => {
                braces = braces.saturating_sub(1);
                if modules.last() == Some(&braces) {
                    modules.pop();
                }
            }
            _ => {}
        }
        if !first.is_whitespace() {
            tokens.push(Token { text, line, inline_depth: modules.len() });
        }
    }
    tokens
}

/// Whether a line of the original text carries code: not blank, not only a comment.
pub(super) fn is_code(blanked_line: &str) -> bool {
    !blanked_line.trim().is_empty()
}

/// The number of the line (from 1) where the closing `#[cfg(test)] mod tests {` begins, if the file has one.
pub(super) fn test_module_line(text: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    (1..lines.len()).find(|&at| lines[at - 1].trim() == "#[cfg(test)]" && lines[at].starts_with("mod ")).filter(|&at| {
        // `mod tests;` in a file of its own ends nothing.
        lines[at].trim_end().ends_with('{')
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    bytes[from..].windows(needle.len()).position(|window| window == needle).map(|offset| from + offset)
}

fn end_of_block_comment(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"..."`, `r#"..."#`, `b"..."`, `br#"..."#`, `c"..."`, `b'.'`.
fn end_of_prefixed_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while at < start + 2 && matches!(bytes.get(at), Some(b'r' | b'b' | b'c')) {
        at += 1;
    }
    let raw = bytes[start..at].contains(&b'r');
    let hashes = bytes[at..].iter().take_while(|&&byte| raw && byte == b'#').count();
    match bytes.get(at + hashes)? {
        b'"' if raw => {
            let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
            Some(find(bytes, at + hashes + 1, &close).map_or(bytes.len(), |end| end + close.len()))
        }
        b'"' => Some(end_of_string(bytes, at)),
        b'\'' if !raw => end_of_char(bytes, at),
        _ => None,
    }
}

/// A character literal, as opposed to a lifetime.
fn end_of_char(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start + 1) == Some(&b'\\') {
        return find(bytes, start + 3, b"'").map(|end| end + 1);
    }
    let text = std::str::from_utf8(&bytes[start + 1..bytes.len().min(start + 5)]);
    let length = match text {
        Ok(text) => text.chars().next()?.len_utf8(),
        Err(error) if error.valid_up_to() > 0 => {
            std::str::from_utf8(&bytes[start + 1..start + 1 + error.valid_up_to()]).ok()?.chars().next()?.len_utf8()
        }
        Err(_) => return None,
    };
    (bytes.get(start + 1 + length) == Some(&b'\'')).then_some(start + length + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let blanked = blank_out(text);
        tokens(&blanked).iter().map(|token| token.text.to_owned()).collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "a // b \"\n/* c /* d */ e */ f(\"g\\\"h\", r#\"i\"j\"#, b\"k\", b'l', '\\'', 'é') 'm u8";
        assert_eq!(words(text), ["a", "f", "(", ",", ",", ",", ",", ",", ")", "'", "m", "u8"]);
    }

    #[test]
    fn blanking_keeps_lines() {
        let text = "let a = \"x\ny\"; // z\nend";
        assert_eq!(blank_out(text).lines().count(), 3);
        assert_eq!(blank_out(text).len(), text.len());
    }

    #[test]
    fn inline_modules_are_counted() {
        let text = "a mod b { c fn d() { e } f } g";
        let tokens = tokens(text);
        let depth = |word: &str| tokens.iter().find(|token| token.text == word).unwrap().inline_depth;
        assert_eq!((depth("a"), depth("c"), depth("e"), depth("f"), depth("g")), (0, 1, 1, 1, 0));
    }

    #[test]
    fn the_test_module_is_found() {
        assert_eq!(test_module_line("a\n#[cfg(test)]\nmod tests {\n}\n"), Some(2));
        assert_eq!(test_module_line("a\n#[cfg(test)]\nmod tests;\n"), None);
    }
}
