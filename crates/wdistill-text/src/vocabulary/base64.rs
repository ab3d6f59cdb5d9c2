//! Bytes inside JSON: base 64 with the standard alphabet and padding (RFC 4648).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let padded =
            [chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0)];
        let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// The bytes of what [`encode`] wrote; anything else is an error, in words.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, String> {
    if !text.len().is_multiple_of(4) {
        return Err(format!("base 64 of {} characters, expected a multiple of 4", text.len()));
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 {
        return Err("base 64 with more than two = at its end".to_owned());
    }
    for (index, chunk) in digits.as_bytes().chunks(4).enumerate() {
        let mut bits = 0;
        for (place, &digit) in chunk.iter().enumerate() {
            let value = ALPHABET.iter().position(|&known| known == digit);
            let value = value
                .ok_or_else(|| format!("base 64: character {} is no digit", 4 * index + place))?;
            bits |= (value as u32) << (18 - 6 * place);
        }
        let count = chunk.len() - 1;
        let [_, all @ ..] = bits.to_be_bytes();
        if all[count..].iter().any(|&byte| byte != 0) {
            return Err("base 64 that ends with bits of no byte".to_owned());
        }
        bytes.extend(&all[..count]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_hold() {
        // RFC 4648, section 10.
        let examples = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in examples {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), bytes.as_bytes());
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)).unwrap(), all);
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["Z", "Zg", "Zg=", "Z===", "====", "Zm9v Zg=", "Zh==", "Zm9=", "Z=g=", "ä="] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
