//! Where a run happens: its record, and what is to be said when that changes.

use std::{fs, path::Path, time::SystemTime};

use serde::{Deserialize, Serialize};

use super::super::files::ENVIRONMENT;

/// Where a run happens, for its record: versions, system, device, and how it was called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The version of rxlt, with its commit.
    pub rxlt: String,
    /// Operating system and architecture.
    pub system: String,
    /// The processor.
    pub cpu: String,
    /// How many threads compute, of each rank.
    pub threads: usize,
    /// How many ranks share the run, where there are several.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub ranks: usize,
    /// The device that computes, with its driver.
    pub device: String,
    /// The model that it starts from, by name and commit, where it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The data set, by name and commit, where it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The command line, secrets blacked out.
    pub argv: Vec<String>,
    /// When it started, in UTC.
    pub started: String,
}

fn one() -> usize {
    1
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

impl Environment {
    /// This process's, computing on `device`.
    pub fn here(device: &str) -> Environment {
        Environment {
            rxlt: crate::VERSION.to_owned(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cpu: cpu_name().unwrap_or_else(|| "unknown".into()),
            threads: rayon::current_num_threads(),
            ranks: 1,
            device: device.to_owned(),
            model: None,
            data: None,
            argv: redacted(std::env::args_os().map(|arg| arg.to_string_lossy().into_owned())),
            started: now(),
        }
    }
}

/// What is to be said if the run was on another device or version before.
pub(super) fn moved(folder: &Path, now: &Environment, is_ordered: bool) -> Option<String> {
    let text = fs::read(folder.join(ENVIRONMENT)).ok()?;
    let before: Environment = serde_json::from_slice(&text).ok()?;
    let changes = [("device", &before.device, &now.device), ("rxlt", &before.rxlt, &now.rxlt)];
    // On the processor the number of threads does not change a bit.
    let exact = "not bit-exact from here";
    if let Some((what, before, now)) =
        changes.into_iter().find(|(_, before, now)| without_threads(before) != without_threads(now))
    {
        return Some(format!("the run began on {what} {before} and goes on with {now}: {exact}"));
    }
    let is_other = before.ranks != now.ranks && !is_ordered;
    is_other.then(|| {
        let (before, now) = (before.ranks, now.ranks);
        format!("the run began with {before} ranks and goes on with {now}, which add up otherwise: {exact}")
    })
}

/// A device's name without how many threads the processor computes with: `cpu (2 threads, f32)`.
fn without_threads(device: &str) -> String {
    match device.strip_prefix("cpu (").and_then(|rest| rest.split_once(" threads, ")) {
        Some((_, precision)) => format!("cpu ({precision}"),
        None => device.to_owned(),
    }
}

/// Arguments without what looks like a secret.
fn redacted(args: impl Iterator<Item = String>) -> Vec<String> {
    const NAMES: [&str; 5] = ["token", "secret", "password", "passwd", "api_key"];
    const PREFIXES: [&str; 6] = ["hf_", "sk-", "ghp_", "gho_", "github_pat_", "glpat-"];
    let secret_name = |name: &str| NAMES.iter().any(|word| name.to_lowercase().replace('-', "_").contains(word));
    let mut hide_next = false;
    args.map(|arg| {
        let hidden = std::mem::take(&mut hide_next);
        let (name, value) = arg.split_once('=').unwrap_or((&arg, ""));
        hide_next = value.is_empty() && name.starts_with("--") && secret_name(name);
        let looks_secret = arg.split(['=', ',', '"', ' ']).any(|part| PREFIXES.iter().any(|p| part.starts_with(p)));
        let credentials =
            arg.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap_or("").contains('@'));
        match hidden || looks_secret || credentials || (!value.is_empty() && secret_name(name)) {
            true => "[redacted]".to_owned(),
            false => arg,
        }
    })
    .collect()
}

/// What the processor is called, where the system tells.
pub fn cpu_name() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

pub(super) fn host() -> String {
    let named = ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let kernel = || fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    kernel().or(named).unwrap_or_else(|| "this machine".into())
}

/// The time in UTC, such as `2026-11-21T22:12:00Z`.
pub(super) fn now() -> String {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    utc(seconds)
}

/// Days to a date by Howard Hinnant's `civil_from_days`, in which years begin in March.
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blacked_out() {
        let cases = [
            ("run --set seed=3", "run --set seed=3"),
            ("--set hub.token=abc", "--set [redacted]"),
            ("--api-key abc def", "--api-key [redacted] def"),
            ("--model https://me:pw@host/x", "--model [redacted]"),
            ("--x=hf_abcdef", "[redacted]"),
            ("--model a@b", "--model a@b"),
        ];
        for (given, expected) in cases {
            let args = given.split(' ').map(str::to_owned);
            assert_eq!(redacted(args).join(" "), expected);
        }
    }

    #[test]
    fn dates_are_right() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_299_120, "2026-11-21T22:12:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
    }
}
