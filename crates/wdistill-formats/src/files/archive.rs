//! Zip archives in memory.

use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

/// An entry may be as large as this without regard to the file's size.
const SLACK: u64 = 1 << 20;

/// Weights hardly compress: an archive that grows more than this is no model.
const MOST_GROWTH: u64 = 20;

/// A zip archive; what its entries take together is bounded by its size.
pub(crate) struct Archive<'f> {
    zip: ZipArchive<Cursor<&'f [u8]>>,
    /// Bytes that may still be unpacked.
    left: u64,
}

impl<'f> Archive<'f> {
    /// Reads the directory.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn open(bytes: &'f [u8]) -> Result<Archive<'f>, String> {
        let left = SLACK + MOST_GROWTH * bytes.len() as u64;
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
        Ok(Archive { zip, left })
    }

    /// Names of all entries.
    ///
    /// # Errors
    /// A name that is none.
    pub(crate) fn names(&self) -> Result<Vec<String>, String> {
        let names = self.zip.file_names();
        names.map(|name| name.map(String::from).map_err(|error| error.to_string())).collect()
    }

    /// An entry that has to lie there uncompressed, as PyTorch's pickles do: unpacked values take more room than
    /// their bytes already.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn read_stored(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let entry = self.zip.by_name(name).map_err(|error| format!("{name}: {error}"))?;
        if entry.compression() != CompressionMethod::Stored {
            return Err(format!("{name} is compressed, expected plain bytes"));
        }
        drop(entry);
        self.read(name)
    }

    /// Unpacks an entry and checks its sum.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn read(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let entry = self.zip.by_name(name).map_err(|error| format!("{name}: {error}"))?;
        if entry.size() > self.left {
            return Err(format!(
                "{name} announces {} bytes, far more than the file's size justifies",
                entry.size()
            ));
        }
        let mut bytes = Vec::new();
        let mut limited = entry.take(self.left + 1);
        limited.read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| format!("{name} unpacks to far more than the file's size justifies"))?;
        Ok(bytes)
    }
}
