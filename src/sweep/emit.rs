//! Cells for those who run them elsewhere: plain commands, a job file of HyperQueue, a script of SLURM.

use super::Cell;
use crate::error::{Error, Result};
use std::path::Path;
use toml::{Table, Value};

/// Where and with what the cells are run.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The sweep's name.
    pub name: &'a str,
    /// This program.
    pub program: &'a Path,
    /// The folder that paths are relative to.
    pub folder: &'a Path,
    /// How many threads a run computes with.
    pub cpus: usize,
}

/// The most elements of an array that SLURM takes unless it is told otherwise (`MaxArraySize`).
const MOST_OF_SLURM: usize = 1000;

/// A line of a shell for each cell.
pub fn list(cells: &[Cell], place: Place) -> String {
    let line = |cell: &Cell| {
        let words = [place.program.display().to_string()].into_iter().chain(cell.args());
        words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ") + "\n"
    };
    cells.iter().map(line).collect()
}

/// A job file for `hq job submit-file`. HyperQueue takes exit code 75 for a failure: what was stopped is planned again.
pub fn hyperqueue(cells: &[Cell], place: Place) -> String {
    let task = |(i, cell): (usize, &Cell)| {
        let words = [place.program.display().to_string()].into_iter().chain(cell.args()).map(Value::String);
        let threads = Table::from_iter([("RAYON_NUM_THREADS".to_owned(), Value::String(place.cpus.to_string()))]);
        let cpus = Table::from_iter([("cpus".to_owned(), Value::Integer(place.cpus as i64))]);
        let request = Table::from_iter([("resources".to_owned(), Value::Table(cpus))]);
        Value::Table(Table::from_iter([
            ("id".to_owned(), Value::Integer(i as i64)),
            ("cwd".to_owned(), Value::String(place.folder.display().to_string())),
            ("command".to_owned(), words.collect::<Vec<_>>().into()),
            ("env".to_owned(), Value::Table(threads)),
            ("request".to_owned(), Value::Array(vec![Value::Table(request)])),
        ]))
    };
    let tasks: Vec<Value> = cells.iter().enumerate().map(task).collect();
    let file = [("name".to_owned(), Value::String(place.name.to_owned())), ("task".to_owned(), Value::Array(tasks))];
    Table::from_iter(file).to_string()
}

/// A script for `sbatch`: an array with an element for each cell. One that is stopped before its time is over saves,
/// ends with exit code 75 and is queued again; one that is cancelled saves, too, and is not.
pub fn slurm(cells: &[Cell], place: Place) -> Result<String> {
    if cells.len() > MOST_OF_SLURM {
        let n = cells.len();
        return Err(Error::Usage(format!(
            "{n} runs: expected at most {MOST_OF_SLURM}, which SLURM takes for an array; make several grids of it"
        )));
    }
    let Place { name, program, folder, cpus } = place;
    let command = |cell: &Cell| cell.args().iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let cases: String =
        cells.iter().enumerate().map(|(i, cell)| format!("  {i}) set -- {} ;;\n", command(cell))).collect();
    Ok(format!(
        "#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --cpus-per-task={cpus}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output={name}-%A_%a.log
#SBATCH --signal=TERM@120
# What a run takes (time, memory, a GPU, an account) is yours to say: sbatch --time=2:00:00 --mem=8G THIS_FILE
cd {folder} || exit 74
export RAYON_NUM_THREADS=\"${{SLURM_CPUS_PER_TASK:-{cpus}}}\"
export SRUN_CPUS_PER_TASK=\"$RAYON_NUM_THREADS\"  # from SLURM 22.05 on, srun does not take it from sbatch
trap : TERM  # the run hears it and saves; this shell lives on to queue it again
case \"$SLURM_ARRAY_TASK_ID\" in
{cases}  *) echo \"there is no run $SLURM_ARRAY_TASK_ID\" >&2; exit 2 ;;
esac
srun {program} \"$@\"
code=$?
# 75: it was stopped and has saved; 143: it was stopped before it could. What scancel ends is COMPLETING, and stays ended.
if [ \"$code\" -eq 75 ] || [ \"$code\" -eq 143 ]; then
  job=\"${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}\"
  if [ \"$(squeue --noheader --jobs=\"$job\" --format=%T)\" = RUNNING ]; then
    scontrol requeue \"$job\"
  fi
fi
exit \"$code\"
",
        last = cells.len().saturating_sub(1),
        folder = quoted(&folder.display().to_string()),
        program = quoted(&program.display().to_string()),
    ))
}

/// A word as a shell reads it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_a_program_as_they_are() {
        for (word, expected) in
            [("a/b=1", "a/b=1"), ("it's", "'it'\\''s'"), ("a b", "'a b'"), ("", "''"), ("$x", "'$x'")]
        {
            assert_eq!(quoted(word), expected);
        }
    }
}
