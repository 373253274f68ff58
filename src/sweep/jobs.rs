//! Child processes side by side: each is this program again, with its share of the processor or a GPU of its own.

use crate::{
    error::{Error, Result},
    run::progress::Board,
    stop::Stop,
};
use std::{
    collections::VecDeque,
    env,
    ffi::OsString,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{self, Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// What one child does.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it is called in tables and messages.
    pub label: String,
    /// The arguments that it is called with.
    pub args: Vec<OsString>,
}

/// A place for one child at a time: what is set in its environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slot(pub Vec<(&'static str, String)>);

impl Slot {
    /// So many slots that share so many threads.
    pub fn sharing(threads: usize, n: usize) -> Vec<Slot> {
        let share = (threads / n.max(1)).max(1);
        vec![Slot(vec![("RAYON_NUM_THREADS", share.to_string())]); n]
    }
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With exit code 0.
    Done,
    /// On request, with all saved; or it had not begun.
    Stopped,
    /// Not by a child: another process is at work on it.
    Elsewhere,
    /// With another exit code (none where a signal ended it), and what it said at last.
    Failed(Option<u8>, String),
}

/// The exit code of a run that stopped on request.
const STOPPED: i32 = 75;

/// What tells a child whose it is.
const PARENT: &str = "RXLT_PARENT";

/// Lines of a child that are kept for when it fails.
const KEPT: usize = 12;

/// Between two looks at whether somebody asked to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Runs all jobs, as many at once as there are slots, and returns how each ended. On a request to stop each child is
/// asked to save and leave, and no other begins. `known` says of a job how it has ended by itself, or that another process
/// is at work on it: then no child is.
pub fn run_side_by_side(
    jobs: &[Job],
    slots: &[Slot],
    stop: &Stop,
    board: &Board,
    known: &(dyn Fn(usize) -> Option<End> + Sync),
) -> Result<Vec<End>> {
    let program = env::current_exe().map_err(|error| Error::Io(format!("cannot find this program: {error}")))?;
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let room = Room { program, stop, board, live: slots.iter().map(|_| Mutex::new(None)).collect() };
    let ends: Vec<Mutex<End>> = jobs.iter().map(|_| Mutex::new(End::Stopped)).collect();
    // The children save; until they have, this process stays.
    let _unsaved = stop.hold();
    thread::scope(|scope| {
        let listener = scope.spawn(|| room.pass_on(&over));
        let work = |slot: usize| {
            while let Some((place, job)) =
                Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, jobs.get(i)?)))
            {
                let end = match known(place) {
                    Some(end) => end,
                    None if stop.is_requested() => break, // nothing of it was begun
                    None => room.run(slot, &slots[slot], place, job),
                };
                // One that another process took first has failed by its lock.
                let end = if matches!(end, End::Failed(..)) { known(place).unwrap_or(end) } else { end };
                board.end(place, &describe(&end));
                *lock(&ends[place]) = end;
            }
        };
        let workers: Vec<_> = (0..slots.len().min(jobs.len())).map(|slot| scope.spawn(move || work(slot))).collect();
        let finished = workers.into_iter().all(|worker| worker.join().is_ok());
        over.store(true, Ordering::Relaxed);
        listener.join().is_ok() && finished
    })
    .then_some(())
    .ok_or_else(|| Error::Io("a thread that watches child processes ended early".into()))?;
    board.finish();
    Ok(ends.into_iter().map(|end| end.into_inner().unwrap_or_else(PoisonError::into_inner)).collect())
}

/// What all slots share.
struct Room<'a> {
    program: PathBuf,
    stop: &'a Stop,
    board: &'a Board,
    /// The child of each slot, and whether it was asked to stop.
    live: Vec<Mutex<Option<(u32, Asked)>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    No,
    Yes,
}

impl Room<'_> {
    fn run(&self, slot: usize, Slot(environment): &Slot, place: usize, job: &Job) -> End {
        let mut live = lock(&self.live[slot]);
        if self.stop.is_requested() {
            return End::Stopped;
        }
        let mut command = Command::new(&self.program);
        command
            .args(&job.args)
            .env(PARENT, process::id().to_string())
            .envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        apart(&mut command);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return End::Failed(None, format!("cannot start {}: {error}", self.program.display())),
        };
        *live = Some((child.id(), Asked::No));
        drop(live);
        let said = child.stderr.take().map(|stream| self.listen(place, stream)).unwrap_or_default();
        self.end(slot, &mut child, said)
    }

    /// Shows what a child says, and keeps the end of it.
    fn listen(&self, place: usize, stream: impl Read) -> VecDeque<String> {
        let mut kept = VecDeque::new();
        for line in BufReader::new(stream).split(b'\n').map_while(|line| line.ok()) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.board.say(place, &line);
            kept.push_back(line);
            kept.drain(..kept.len().saturating_sub(KEPT));
        }
        kept
    }

    /// Waits for a child that has closed its stderr. Its number is forgotten before another process can have it.
    fn end(&self, slot: usize, child: &mut Child, said: VecDeque<String>) -> End {
        let mut live = lock(&self.live[slot]);
        let status = child.wait();
        let asked = live.take().is_some_and(|(_, asked)| asked == Asked::Yes);
        match status {
            Ok(status) if status.success() => End::Done,
            Ok(status) if status.code() == Some(STOPPED) || asked && status.code().is_none() => End::Stopped,
            Ok(status) => End::Failed(status.code().and_then(|code| u8::try_from(code).ok()), reason(status, &said)),
            Err(error) => End::Failed(None, format!("cannot wait for it: {error}")),
        }
    }

    /// Asks every child to stop once somebody asks this process.
    fn pass_on(&self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            if self.stop.is_requested() {
                for live in &self.live {
                    if let Some((id, asked @ Asked::No)) = &mut *lock(live) {
                        ask_to_stop(*id);
                        *asked = Asked::Yes;
                    }
                }
            }
            thread::sleep(LOOK);
        }
    }
}

/// Lets this process save and stop, as at SIGTERM, when the one that started it as a child dies without a word; nobody would
/// watch it, and a run that is started again would find it at work. (The signal that Linux itself sends at a parent's death
/// comes once for each of its threads, and a second one ends a run before it has saved.)
#[cfg(unix)]
pub fn end_with_parent() {
    use rustix::process::{Pid, Signal, getpid, getppid, kill_process};
    let Some(parent) = env::var(PARENT).ok().and_then(|id| Pid::from_raw(id.parse().ok()?)) else { return };
    thread::spawn(move || {
        while getppid() == Some(parent) {
            thread::sleep(LOOK);
        }
        let _ = kill_process(getpid(), Signal::TERM);
    });
}

/// Elsewhere it goes on to its end.
#[cfg(not(unix))]
pub fn end_with_parent() {}

/// The child hears no Ctrl-C of the terminal: a second signal would end it before it has saved.
#[cfg(unix)]
fn apart(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(unix)]
fn ask_to_stop(id: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // One that has just ended needs no signal.
        let _ = kill_process(id, Signal::TERM);
    }
}

/// There Ctrl-C reaches all processes of the console, and there is no other signal.
#[cfg(not(unix))]
fn apart(_: &mut Command) {}

#[cfg(not(unix))]
fn ask_to_stop(_: u32) {}

/// What a child said last, its errors if it named any.
fn reason(status: ExitStatus, said: &VecDeque<String>) -> String {
    let errors: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("error: ")).collect();
    let last = said.iter().rev().find(|line| !line.is_empty()).map_or("it said nothing", String::as_str);
    format!("{status}: {}", if errors.is_empty() { last.to_owned() } else { in_one_line(&errors) })
}

/// Lines as one, with a semicolon where none leads on to the next.
fn in_one_line(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines.iter().map(|line| line.trim()) {
        let gap = if text.is_empty() || text.ends_with(':') { " " } else { "; " };
        text += &format!("{gap}{line}");
    }
    text.trim_start().to_owned()
}

fn describe(end: &End) -> String {
    match end {
        End::Done => "done".into(),
        End::Stopped => "stopped, all that was finished is kept".into(),
        End::Elsewhere => "another process is at work on it".into(),
        End::Failed(_, reason) => format!("failed: {reason}"),
    }
}

/// Nothing where all is done; else that it was stopped, or which failed and why, with the first one's exit code.
pub fn verdict(jobs: &[Job], ends: &[End]) -> Result<()> {
    let failed = jobs.iter().zip(ends).filter_map(|(job, end)| match end {
        End::Failed(code, reason) => Some((*code, format!("{}: {reason}", job.label))),
        _ => None,
    });
    let failed: Vec<(Option<u8>, String)> = failed.collect();
    let lines: String = failed.iter().map(|(_, line)| format!("\n{line}")).collect();
    let (n, done) = (ends.len(), ends.iter().filter(|end| **end == End::Done).count());
    if ends.contains(&End::Stopped) {
        let counts = format!("stopped on request, {done} of {n} are done; the same command goes on from there");
        return Err(Error::Stopped(format!("{counts}{lines}")));
    }
    match failed.first() {
        None => Ok(()),
        Some((code, _)) => Err(Error::with_code(*code, format!("{} of {n} failed{lines}", failed.len()))),
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_the_worst_news_with_its_exit_code() {
        let jobs = ["s1", "s2", "s3"].map(|label| Job { label: label.into(), args: Vec::new() });
        let failed = End::Failed(Some(3), "exit status: 3: the loss is nan".into());
        let code =
            |ends: [End; 3]| verdict(&jobs, &ends).map_err(|error| (error.exit_code(), error.message().to_owned()));
        assert_eq!(code([End::Done, End::Done, End::Done]), Ok(()));
        let expected = "1 of 3 failed\ns2: exit status: 3: the loss is nan";
        assert_eq!(code([End::Done, failed.clone(), End::Done]), Err((3, expected.to_owned())));
        let stopped = code([End::Done, failed, End::Stopped]).unwrap_err();
        assert!(
            stopped.0 == 75 && stopped.1.contains("1 of 3 are done") && stopped.1.contains("\ns2: "),
            "{stopped:?}"
        );
        assert_eq!(code([End::Done, End::Failed(None, "killed".into()), End::Done]).unwrap_err().0, 74);
    }

    #[test]
    fn lines_of_an_error_become_one() {
        let lines = ["a holds another run:", "  seed: 1 there, 2 now", "name another"];
        assert_eq!(in_one_line(&lines), "a holds another run: seed: 1 there, 2 now; name another");
    }

    #[test]
    fn threads_are_shared() {
        let threads =
            |n, jobs| Slot::sharing(n, jobs).into_iter().map(|Slot(set)| set[0].1.clone()).collect::<Vec<_>>();
        assert_eq!(threads(8, 2), ["4", "4"]);
        assert_eq!(threads(2, 3), ["1", "1", "1"]);
    }
}
