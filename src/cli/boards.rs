//! Event files for TensorBoard, beside the log of a run as it goes.

use std::{
    path::Path,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::tell;
use crate::run::tensorboard::{Board, FOLDER};

/// Between two looks at the log.
const PAUSE: Duration = Duration::from_secs(1);

/// What follows the log of a run until it is dropped.
pub(super) struct Boards {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Boards {
    /// Follows the log in this folder, which may not be there yet.
    pub(super) fn follow(run: &Path) -> Boards {
        let mut board = Board::new(run, &run.join(FOLDER));
        let (end, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            loop {
                let is_over = ended.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout);
                if let Err(error) = board.update() {
                    // The run is worth more than its pictures, and the log has all that they are made of.
                    let remedy = "rxlt watch --tensorboard DIR makes them of the log at any time";
                    return tell(&format!("note: files for TensorBoard end here: {error}; {remedy}"));
                }
                if is_over {
                    return;
                }
            }
        });
        Boards { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Boards {
    /// Writes what came last.
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tell("note: files for TensorBoard may lack their end; rxlt watch --tensorboard DIR makes them of the log");
        }
    }
}
