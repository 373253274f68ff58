//! The process of the command: how it begins, how it ends, and what it says of a bug.

use std::{
    panic::{self, AssertUnwindSafe},
    process::{self, ExitCode},
    thread,
};

use clap::Parser;

use super::{Cli, tell};
use crate::{
    error::{Error, Result},
    ranks::Ranks,
    sweep::jobs::end_with_parent,
};

/// The exit code of a bug, after sysexits(3).
const BUG: u8 = 70;

/// The whole command, as one of these ranks.
pub fn main(ranks: &Ranks) -> ExitCode {
    as_rank(ranks, || {
        end_with_parent();
        Cli::parse().run(ranks)
    })
}

/// Does something as one of these ranks, in a process that is this one's alone.
pub fn as_rank(ranks: &Ranks, work: impl FnOnce() -> Result<()>) -> ExitCode {
    let own = ranks.clone();
    panic::set_hook(Box::new(move |panic| report(panic, &own)));
    ExitCode::from(guarded(ranks, work))
}

/// Does it as one of these ranks, says what went wrong, and gives the exit code. What went wrong with all of them the first
/// says; what went wrong with this one alone ends all.
pub(super) fn guarded(ranks: &Ranks, work: impl FnOnce() -> Result<()>) -> u8 {
    let Ok(result) = panic::catch_unwind(AssertUnwindSafe(work)) else {
        ranks.abort(BUG);
        return BUG;
    };
    let Err(error) = result else { return 0 };
    let (code, together) = (error.exit_code(), ranks.meet());
    match error {
        _ if together && !ranks.is_first() => {}
        // Who asked for it is told that it is done, not that it is an error.
        Error::Stopped(message) => tell(&message),
        error => {
            let of_rank = if together { String::new() } else { ranks.prefix() };
            error.message().lines().for_each(|line| tell(&format!("error: {of_rank}{line}")));
        }
    }
    if !together {
        ranks.abort(code);
    }
    code
}

/// Says what a panic was and where, in a few lines that somebody can send to us.
fn report(panic: &panic::PanicHookInfo, ranks: &Ranks) {
    let message = panic.payload_as_str().unwrap_or("a panic without words");
    let place = panic.location().map_or(String::new(), |place| format!(" ({}:{})", place.file(), place.line()));
    let backtrace = std::backtrace::Backtrace::capture();
    let of_thread = thread::current().name().filter(|name| name.starts_with("rank ")).map(|name| format!("{name}: "));
    let of_rank = of_thread.unwrap_or_else(|| ranks.prefix());
    tell(&format!("error: {of_rank}internal: {message}{place}"));
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        tell(&backtrace.to_string());
    }
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    tell(&format!(
        "this is a bug of rxlt {} on {system}; please report these lines (process {})",
        crate::VERSION,
        process::id()
    ));
}

/// Starts the process again (under its number) without Mesa's device-select layer where there is no desktop: the layer
/// would look for one and write "error: XDG_RUNTIME_DIR is invalid" whenever Vulkan is opened. The layer only sorts
/// adapters, and is switched off by the environment that a process begins with. If that fails, we go on as we are; so we
/// do under valgrind and the like, which preload a library of theirs and would lose sight of a process that begins again.
#[cfg(target_os = "linux")]
pub fn begin_again_without_device_select() {
    use std::{env, os::unix::process::CommandExt};
    const SWITCH: &str = "NODEVICE_SELECT";
    let unset = |name: &str| env::var_os(name).is_none();
    if unset("XDG_RUNTIME_DIR") && unset(SWITCH) && unset("LD_PRELOAD") {
        let mut args = env::args_os();
        let name = args.next().unwrap_or_else(|| "rxlt".into());
        let _ = process::Command::new("/proc/self/exe").arg0(name).args(args).env(SWITCH, "1").exec();
    }
}

/// There is no such layer here.
#[cfg(not(target_os = "linux"))]
pub fn begin_again_without_device_select() {}
