//! Amounts of memory: in words, and what a stage takes of it.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// An amount of memory in bytes, such as `8GiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

const UNITS: [(&str, u64); 6] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Bytes, String> {
        let unit = UNITS.iter().find_map(|(name, size)| Some((text.strip_suffix(name)?, *size)));
        let (number, size) = unit.unwrap_or((text, 1));
        match number.trim().parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 => Ok(Bytes((number * size as f64) as u64)),
            _ => Err(format!("expected an amount such as 8GiB or 500MB, found \"{text}\"")),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (name, size) = UNITS[..3].iter().find(|(_, size)| self.0 >= *size).unwrap_or(&UNITS[2]);
        let number = self.0 as f64 / *size as f64;
        let digits = if number < 10.0 { 2 } else { 0 };
        write!(f, "{number:.digits$} {name}")
    }
}

/// What a stage takes on its device, by what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Tokens of the longest micro-batch.
    pub longest: usize,
    /// The model.
    pub weights: Bytes,
    /// AdamW's moments.
    pub optimizer: Bytes,
    /// One gradient for each parameter and each word in use.
    pub gradients: Bytes,
    /// All that comes and goes within an update.
    pub activations: Bytes,
    /// The most that is held at once.
    pub total: Bytes,
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Parts { longest, weights, optimizer, gradients, activations, total } = self;
        write!(
            f,
            "{total} at the longest micro-batch ({longest} tokens): weights {weights}, optimizer state {optimizer}, \
             gradients {gradients}, activations {activations}"
        )
    }
}

/// What a stage was found to take and to fit in, for the folder of the run: it goes on with the same micro-batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The most tokens that are on the device at once.
    pub tokens_per_micro_batch: usize,
    /// The limit that was asked for.
    pub memory_limit: Option<Bytes>,
    /// What is taken on the device.
    pub predicted: Parts,
    /// What the process takes beside, where tensors are in its own memory and the system tells.
    pub beside: Bytes,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.predicted)?;
        if self.beside > Bytes(0) { write!(f, "; {} beside for text and program", self.beside) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        for (text, bytes) in [("8GiB", 8 << 30), ("500MB", 500_000_000), ("1.5 KiB", 1536), ("42", 42)] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "GiB", "-1GiB", "8 gigabytes", "inf", "nanMB"] {
            assert!(text.parse::<Bytes>().is_err_and(|error| error.contains("such as 8GiB")), "{text}");
        }
        for (bytes, text) in [(8 << 30, "8.00 GiB"), (1 << 35, "32 GiB"), (3 << 19, "1.50 MiB"), (100, "0.10 KiB")] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }
}
