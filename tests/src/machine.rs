//! The machine that a benchmark runs on, and what its figures are worth there.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// Bytes without end that no one would call a pattern (Marsaglia's xorshift).
pub struct Noise(u64);

impl Default for Noise {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl io::Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for chunk in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.iter_mut().zip(self.0.to_le_bytes()).for_each(|(place, byte)| *place = byte);
        }
        Ok(buffer.len())
    }
}

/// How much the processors had worked at a moment, in hundredths of a second: all of them for everybody, and for this
/// program with the children it waited for.
pub struct Load {
    at: Instant,
    everybody: u64,
    ours: u64,
}

impl Load {
    /// Reads `/proc`; nothing where there is none.
    pub fn now() -> Option<Self> {
        let sum = |text: &str, places: &[usize]| {
            let words: Vec<&str> = text.split_whitespace().collect();
            places.iter().map(|&place| words.get(place)?.parse::<u64>().ok()).sum::<Option<u64>>()
        };
        // cpu user nice system idle iowait irq softirq steal: all but the two of waiting.
        let everybody = fs::read_to_string("/proc/stat").ok()?;
        let everybody = sum(everybody.lines().next()?, &[1, 2, 3, 6, 7, 8])?;
        // After the name, which may hold anything: user and system time, our own and our children's.
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        let (_, own) = own.rsplit_once(')')?;
        Some(Self { at: Instant::now(), everybody, ours: sum(own, &[11, 12, 13, 14])? })
    }

    /// Gives how many processors others kept busy on average since an earlier moment: what a table of times is worth.
    pub fn others_since(&self, earlier: &Self) -> f64 {
        let everybody = self.everybody.saturating_sub(earlier.everybody);
        let ours = self.ours.saturating_sub(earlier.ours);
        let others = Duration::from_millis(everybody.saturating_sub(ours).saturating_mul(10));
        others.as_secs_f64() / (self.at - earlier.at).as_secs_f64()
    }
}

/// Gives the peak of this program's resident memory in KiB since the last [`forget_peak`]; nothing where there is no `/proc`.
pub fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
}

/// Starts the peak of this program's memory anew at what it holds now.
pub fn forget_peak() {
    // Without it the peak of an earlier step is told, which is too much and never too little.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Gives the middle value, of an even number the upper of the two.
pub fn median<T: Ord + Copy>(mut values: Vec<T>) -> Option<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// Counts the processors that this program may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Names the processor.
pub fn processor() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3, 1, 2]), Some(2));
        assert_eq!(median(vec![4, 1, 2, 3]), Some(3));
        assert_eq!(median(Vec::<u8>::new()), None);
    }

    #[test]
    fn the_work_of_others_is_what_is_not_ours() {
        let at = Instant::now();
        let before = Load { at, everybody: 1_000, ours: 100 };
        let after = Load { at: at + Duration::from_secs(10), everybody: 2_500, ours: 600 };
        assert!((after.others_since(&before) - 1.0).abs() < 1e-9);
        assert!(!cfg!(target_os = "linux") || Load::now().is_some());
    }
}
