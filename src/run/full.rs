//! A disk that is full in the middle: what is in memory is lost with the process, so that a run may wait for room.

use std::{thread, time::Duration};

use serde::{Deserialize, Serialize};

use super::{budget::Bytes, progress::Progress};
use crate::{
    error::{Error, Result},
    stop::Stop,
};

/// What a run does where the disk is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnFull {
    /// Ends with an error; the same command goes on from the last checkpoint.
    #[default]
    Stop,
    /// Waits until there is room, or until it is asked to stop.
    Wait,
}

/// What a run works under, and what changes none of its numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions {
    /// The most memory that it may take.
    pub memory_limit: Option<Bytes>,
    /// What it does where the disk is full.
    pub on_full: OnFull,
}

/// How often a run that waits tries again.
const AGAIN: Duration = Duration::from_secs(2);
/// How soon it hears that it is to stop.
const HEARS: Duration = Duration::from_millis(100);

impl OnFull {
    /// Writes what would be lost; tries again where the disk was full, and room is waited for.
    pub fn write<T>(self, progress: &Progress, stop: &Stop, mut write: impl FnMut() -> Result<T>) -> Result<T> {
        let mut waits = false;
        loop {
            match write() {
                Err(error @ Error::Full(_)) if self == OnFull::Wait => {
                    if stop.is_requested() {
                        let message = error.message();
                        return Err(Error::Stopped(format!(
                            "stopped on request while waiting for room ({message}); the same command goes on from the \
                             last checkpoint"
                        )));
                    }
                    if !waits {
                        progress.note(format_args!("{error}: waiting until there is room (--on-full wait)"));
                        waits = true;
                    }
                    let turns = AGAIN.as_millis() / HEARS.as_millis();
                    (0..turns).take_while(|_| !stop.is_requested()).for_each(|_| thread::sleep(HEARS));
                }
                result => return result,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::progress::Mode;

    #[test]
    fn who_waits_tries_again_until_there_is_room_or_it_is_to_stop() {
        let (progress, stop) = (Progress::new(Mode::Silent), Stop::new());
        let full = || Error::Full("no space left".into());
        let mut tries = 0;
        let mut second = || {
            tries += 1;
            if tries == 2 { Ok(tries) } else { Err(full()) }
        };
        assert_eq!(OnFull::Wait.write(&progress, &stop, &mut second), Ok(2));
        assert_eq!(OnFull::Stop.write(&progress, &stop, || Err::<(), _>(full())), Err(full()));
        let other = || Err::<(), _>(Error::Io("the cable is out".into()));
        assert_eq!(OnFull::Wait.write(&progress, &stop, other), other());
        stop.request();
        let stopped = OnFull::Wait.write(&progress, &stop, || Err::<(), _>(full())).unwrap_err();
        assert_eq!(stopped.exit_code(), 75);
    }
}
