#![no_main]
//! A binary shortlist; what is read is written to the same bytes.

use libfuzzer_sys::fuzz_target;
use wdistill_text::BinaryShortlist;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(shortlist) = BinaryShortlist::from_bytes(bytes) {
        let again = BinaryShortlist::from_bytes(&shortlist.to_bytes()).expect("it was written");
        assert_eq!(shortlist, again);
    }
});
