//! The `rxlt` command.

use std::{
    panic,
    process::{self, ExitCode},
};

use clap::Parser;
use rxlt::{
    cli::{Cli, tell},
    error::Error,
};

/// The exit code of a bug, after sysexits(3).
const BUG: u8 = 70;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    begin_again_without_device_select();
    panic::set_hook(Box::new(report));
    match panic::catch_unwind(|| Cli::parse().run()) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        // Who asked for it is told that it is done, not that it is an error.
        Ok(Err(error @ Error::Stopped(_))) => {
            tell(error.message());
            ExitCode::from(error.exit_code())
        }
        Ok(Err(error)) => {
            for line in error.message().lines() {
                tell(&format!("error: {line}"));
            }
            ExitCode::from(error.exit_code())
        }
        Err(_) => ExitCode::from(BUG),
    }
}

/// Starts the process again (under its number) without Mesa's device-select layer where there is no desktop: the layer
/// would look for one and write "error: XDG_RUNTIME_DIR is invalid" whenever Vulkan is opened. The layer only sorts
/// adapters, and is switched off by the environment that a process begins with. If that fails, we go on as we are; so we
/// do under valgrind and the like, which preload a library of theirs and would lose sight of a process that begins again.
#[cfg(target_os = "linux")]
fn begin_again_without_device_select() {
    use std::{env, os::unix::process::CommandExt};
    const SWITCH: &str = "NODEVICE_SELECT";
    let unset = |name: &str| env::var_os(name).is_none();
    if unset("XDG_RUNTIME_DIR") && unset(SWITCH) && unset("LD_PRELOAD") {
        let mut args = env::args_os();
        let name = args.next().unwrap_or_else(|| "rxlt".into());
        let _ = process::Command::new("/proc/self/exe").arg0(name).args(args).env(SWITCH, "1").exec();
    }
}

/// Says what a panic was and where, in a few lines that somebody can send to us.
fn report(panic: &panic::PanicHookInfo) {
    let message = panic.payload_as_str().unwrap_or("a panic without words");
    let place = panic.location().map_or(String::new(), |place| format!(" ({}:{})", place.file(), place.line()));
    let backtrace = std::backtrace::Backtrace::capture();
    tell(&format!("error: internal: {message}{place}"));
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        tell(&backtrace.to_string());
    }
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    tell(&format!(
        "this is a bug of rxlt {} on {system}; please report these lines (process {})",
        rxlt::VERSION,
        process::id()
    ));
}
