//! Hashes that answer "did this input change?"; they are no protection against forgery.

use crate::files::FileError;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use twox_hash::XxHash3_128;

/// XXH3 (128 bits, seed 0) of `bytes` as 32 hexadecimal digits.
pub fn hash_bytes(bytes: &[u8]) -> String {
    format!("{:032x}", XxHash3_128::oneshot(bytes))
}

/// What has been hashed so far, as 32 hexadecimal digits.
pub fn digits(hasher: &XxHash3_128) -> String {
    format!("{:032x}", hasher.finish_128())
}

/// XXH3 (128 bits, seed 0) of a file's raw bytes as 32 hexadecimal digits.
///
/// The same digits as `xxhsum -H2` prints.
///
/// # Errors
/// [`FileError`] when the file cannot be read.
pub fn hash_file(path: &Path) -> Result<String, FileError> {
    let mut file = File::open(path).map_err(FileError::when("open", path))?;
    let mut hasher = XxHash3_128::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(FileError::when("read", path))? {
            0 => return Ok(digits(&hasher)),
            count => hasher.write(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_no_bytes_is_the_published_one() {
        // XXH3-128 of the empty input with seed 0, from the algorithm's specification.
        assert_eq!(hash_bytes(b""), "99aa06d3014798d86001c324468d497f");
    }

    #[test]
    fn a_file_hashes_like_its_bytes_and_every_byte_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        let mut bytes: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(hash_file(&path).unwrap(), hash_bytes(&bytes));
        bytes[199_999] ^= 1;
        assert_ne!(hash_file(&path).unwrap(), hash_bytes(&bytes));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = hash_file(Path::new("no/such/file")).unwrap_err().to_string();
        assert!(error.contains("no/such/file"), "{error}");
    }
}
