//! What the numbers of a report were measured on.

use wdistill_report::Machine;

/// The most memory that this process has had resident, in bytes; none where the system does not say.
pub fn peak_memory() -> Option<u64> {
    bytes_of("/proc/self/status", "VmHWM:")
}

/// Lets [`peak_memory`] begin anew with what is resident now, and says whether the system can.
pub(crate) fn reset_peak_memory() -> bool {
    const PEAK: &[u8] = b"5";
    std::fs::write("/proc/self/clear_refs", PEAK).is_ok()
}

/// The memory of this machine, in bytes; none where the system does not say.
pub fn total_memory() -> Option<u64> {
    bytes_of("/proc/meminfo", "MemTotal:")
}

/// A size that a file of Linux gives in kibibytes, in a line that starts with a name.
fn bytes_of(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let size = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(size.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The processor's model, its cores, the memory; empty where the system does not say.
pub fn describe(threads: usize) -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim().to_string())
            .unwrap_or_default()
    };
    let processor = read("/proc/cpuinfo");
    let gibibytes = total_memory().unwrap_or(0) as f64 / f64::from(1 << 30);
    let flags = field(&processor, "flags");
    let wanted = ["avx2", "fma", "avx512f", "avx512_vnni"];
    let features = flags.split_whitespace().filter(|flag| wanted.contains(flag));
    let name = match field(&processor, "model name") {
        name if name.is_empty() => std::env::consts::ARCH.to_string(),
        name => name,
    };
    Machine {
        cpu: name,
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        threads,
        memory_gib: (gibibytes * 10.0).round() / 10.0,
        operating_system: std::env::consts::OS.to_string(),
        features: features.map(str::to_string).collect(),
    }
}
