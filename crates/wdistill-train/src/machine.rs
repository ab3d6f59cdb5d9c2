//! What the numbers of a report were measured on.

use wdistill_report::Machine;

/// The most memory that this process has had resident, in bytes; none where the system does not say.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The memory of this machine, in bytes; none where the system does not say.
pub fn total_memory() -> Option<u64> {
    let memory = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
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
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kibibytes: f64 =
        memory.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
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
        memory_gib: (kibibytes / 1024.0 / 1024.0 * 10.0).round() / 10.0,
        operating_system: std::env::consts::OS.to_string(),
        features: features.map(str::to_string).collect(),
    }
}
