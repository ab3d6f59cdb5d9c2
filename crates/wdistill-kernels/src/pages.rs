//! Memory in large pages.

/// `count` times `value`. Where the system has large pages, memory of some megabytes takes them: a product of
/// few rows reads weights as fast as memory gives them, unless the processor looks up an address for every
/// 4 KiB.
pub(crate) fn filled<T: Copy>(value: T, count: usize) -> Vec<T> {
    let mut memory = Vec::with_capacity(count);
    advise(memory.spare_capacity_mut());
    memory.resize(count, value);
    memory
}

/// Asks for large pages, before the memory is used.
#[cfg(target_os = "linux")]
fn advise<T>(memory: &mut [T]) {
    /// Bytes of a large page.
    const LARGE: usize = 2 << 20;
    let range = memory.as_mut_ptr_range();
    let start = range.start.map_addr(|address| address.next_multiple_of(LARGE));
    let end = range.end.addr() / LARGE * LARGE;
    if start.addr() < end {
        // SAFETY: the range is inside the memory, and the advice changes nothing that it holds. If the
        // system does not take it, pages stay small.
        #[allow(unsafe_code)]
        unsafe {
            libc::madvise(start.cast(), end - start.addr(), libc::MADV_HUGEPAGE);
        }
    }
}

/// This system is not asked.
#[cfg(not(target_os = "linux"))]
fn advise<T>(_: &mut [T]) {}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn memory_of_any_size_is_filled() {
        for count in [0, 1, 1000, (5 << 20) + 1] {
            let memory = filled(7u8, count);
            assert!(memory.len() == count && memory.iter().all(|value| *value == 7));
        }
    }
}
