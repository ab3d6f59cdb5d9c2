//! Marian's and Bergamot's binary shortlists (`src/data/shortlist.h` of both): which target words each source word may be
//! translated with.
//!
//! | at | what, little-endian |
//! |---|---|
//! | 0 | `u64` [`MAGIC`] |
//! | 8 | `u64` checksum of what follows |
//! | 16 | `u64` number of first words, which any sentence may have |
//! | 24 | `u64` most words of a source word; nobody reads it |
//! | 32 | `u64` number of offsets, one more than source words |
//! | 40 | `u64` number of target words in all lists |
//! | 48 | the offsets, `u64` each: list `s` is from offset `s` to offset `s + 1` |
//! | then | the target words, `u32` each, rising within a list |

/// What a file begins with.
const MAGIC: u64 = 0xF11A_48D5_0134_17F5;

/// Bytes before the offsets.
const HEAD: usize = 48;

/// A binary shortlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinaryShortlist {
    /// So many words from the start of the target vocabulary may stand in any sentence.
    pub first: u32,
    /// Most words of a source word.
    pub best: u32,
    /// The target words of each source word, rising.
    pub of_source: Vec<Vec<u32>>,
}

impl BinaryShortlist {
    /// Whether a file begins as one does.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC.to_le_bytes())
    }

    /// The file's bytes. Marian refuses a file whose last source word has no target word.
    pub fn to_bytes(&self) -> Vec<u8> {
        let ends = self.of_source.iter().scan(0u64, |end, words| {
            *end += words.len() as u64;
            Some(*end)
        });
        let offsets: Vec<u64> = std::iter::once(0).chain(ends).collect();
        let words = offsets[offsets.len() - 1];
        let head = [u64::from(self.first), u64::from(self.best), offsets.len() as u64, words];
        let mut body: Vec<u8> =
            head.into_iter().chain(offsets).flat_map(u64::to_le_bytes).collect();
        body.extend(self.of_source.iter().flatten().flat_map(|word| word.to_le_bytes()));
        [&MAGIC.to_le_bytes()[..], &checksum(&body).to_le_bytes(), &body].concat()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<BinaryShortlist, String> {
        if !BinaryShortlist::is_one(bytes) {
            return Err("it does not begin as a binary shortlist does".to_owned());
        }
        if bytes.len() < HEAD {
            return Err(format!("it has {} bytes, expected at least {HEAD}", bytes.len()));
        }
        let number = |at: usize| u64::from_le_bytes(array(&bytes[at..]));
        let (offsets, words) = (number(32), number(40));
        let expected = offsets
            .checked_mul(8)
            .zip(words.checked_mul(4))
            .and_then(|(offsets, words)| offsets.checked_add(words)?.checked_add(HEAD as u64));
        if expected != Some(bytes.len() as u64) {
            let found = bytes.len();
            return Err(format!(
                "it announces {offsets} offsets and {words} words, but has {found} bytes"
            ));
        }
        let (found, announced) = (checksum(&bytes[16..]), number(8));
        if found != announced {
            return Err(format!("its checksum is {found:#x}, but it announces {announced:#x}"));
        }
        let after = HEAD + 8 * offsets as usize;
        let offsets: Vec<u64> = bytes[HEAD..after]
            .chunks_exact(8)
            .map(|part| u64::from_le_bytes(array(part)))
            .collect();
        let all: Vec<u32> =
            bytes[after..].chunks_exact(4).map(|part| u32::from_le_bytes(array(part))).collect();
        let list = |ends: &[u64]| match ends[0] <= ends[1] && ends[1] <= words {
            true => Ok(all[ends[0] as usize..ends[1] as usize].to_vec()),
            false => Err(format!("a list of words is from {} to {} of {words}", ends[0], ends[1])),
        };
        let of_source = offsets.windows(2).map(list).collect::<Result<_, _>>()?;
        let size = |at: usize| {
            let found = number(at);
            u32::try_from(found).map_err(|_| format!("a number of words in it is {found}"))
        };
        Ok(BinaryShortlist { first: size(16)?, best: size(24)?, of_source })
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes[..N].try_into().expect("as many bytes")
}

/// Of all whole `u64`; half of one at the end does not count.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks_exact(8).fold(0, |sum: u64, part| {
        let value = u64::from_le_bytes(array(part));
        let more = value.wrapping_add(0x9E37_79B9).wrapping_add(sum << 6).wrapping_add(sum >> 2);
        sum ^ more
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Marian's loader takes (`fixtures/binary_shortlist/make.py`).
    fn small() -> BinaryShortlist {
        BinaryShortlist { first: 2, best: 2, of_source: vec![vec![5], vec![], vec![3, 7]] }
    }

    /// What `pymarian convert` made of the words beside it, of each source word's best 6.
    #[test]
    fn bytes_are_those_that_marian_writes() {
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/binary_shortlist");
        let expected = std::fs::read(format!("{fixture}/shortlist.bin")).unwrap();
        let text = std::fs::read_to_string(format!("{fixture}/lists.txt")).unwrap();
        let list = |line: &str| line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let of_source: Vec<Vec<u32>> = text.lines().map(list).collect();
        assert_eq!(of_source.iter().flatten().count() % 2, 1, "half a u64 at the end");
        let shortlist = BinaryShortlist { first: 16, best: 6, of_source };
        assert!(shortlist.to_bytes() == expected);
        assert!(BinaryShortlist::from_bytes(&expected).unwrap() == shortlist);
    }

    #[test]
    fn damaged_files_are_errors() {
        let good = small().to_bytes();
        assert_eq!(BinaryShortlist::from_bytes(&good).unwrap(), small());
        for length in 0..good.len() {
            BinaryShortlist::from_bytes(&good[..length]).unwrap_err();
        }
        let of = |change: fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            BinaryShortlist::from_bytes(&bytes).unwrap_err()
        };
        assert!(of(|bytes| bytes[50] ^= 1).contains("its checksum is"));
        assert!(of(|bytes| bytes[39] = 255).contains("announces"));
        assert!(of(|bytes| bytes.push(0)).contains("but has 93 bytes"));
        // A list that ends before it begins, with a checksum that fits.
        let wrong = of(|bytes| {
            bytes[56] = 3;
            let sum = checksum(&bytes[16..]).to_le_bytes();
            bytes[8..16].copy_from_slice(&sum);
        });
        assert!(wrong.contains("from 3 to 1 of 3"), "{wrong}");
    }
}
