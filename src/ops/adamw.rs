//! AdamW (Loshchilov & Hutter, 2019) in place, dense, and exactly but lazily for the rows of a table.
//!
//! In fine-tuning a step touches a few hundred of the word table's 250,002 rows. Under dense AdamW every other row
//! still moves by its momentum and decays. Here a row catches up on the steps it missed right before it is used again,
//! so the result is that of the dense update while cost and state follow the rows ever touched.

use super::UpdateCase;
use crate::{
    array::{Ids, Shape},
    cpu,
    gpu::{Binding, Dispatch, Kernel},
    profile::Work,
    tensor::Update,
};
use rayon::prelude::*;

const HYPER: AdamW = AdamW { lr: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.1, step: 3 };

pub(super) const CASES: &[UpdateCase] = &[
    UpdateCase {
        name: "adamw",
        tolerance: 2e-6,
        state: &[&[1031], &[1031], &[1031]],
        inputs: &[&[1031], &[1]],
        update: || Box::new(HYPER),
    },
    UpdateCase {
        name: "adamw rows",
        tolerance: 2e-6,
        state: &[&[7, 67], &[3, 67], &[3, 67]],
        inputs: &[&[2, 67], &[1]],
        update: || Box::new(AdamWRows { hyper: HYPER, rows: vec![5, 2, 0, 1].into() }),
    },
    UpdateCase {
        name: "catch up",
        tolerance: 2e-6,
        state: &[&[7, 67], &[3, 67], &[3, 67]],
        inputs: &[],
        update: || {
            let schedule = (4..9).flat_map(|step| AdamW { step, ..HYPER }.schedule());
            Box::new(CatchUp {
                hyper: HYPER,
                rows: vec![6, 2, 4, 1, 0, 3, 3, u32::MAX, 0.75f32.to_bits()].into(),
                columns: 67,
                first: 3,
                schedule: schedule.map(f32::to_bits).collect::<Vec<_>>().into(),
            })
        },
    },
];

/// The dense update, and the numbers that all of its variants need.
///
/// State: parameter, first moment, second moment. Inputs: gradient, and the factor of clipping; where that is not
/// finite nothing is changed.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// The learning rate of this step.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Which step this is, from 1.
    pub step: u32,
}

/// Numbers per step of [`AdamW::schedule`].
pub const SCHEDULE_WORDS: usize = 3;

impl AdamW {
    /// What differs from step to step: `1 − lr · weight_decay`, `lr / (1 − β₁ᵗ)` and `√(1 − β₂ᵗ)`.
    pub fn schedule(&self) -> [f32; SCHEDULE_WORDS] {
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(self.step as i32);
        let lr = f64::from(self.lr);
        let decay = 1.0 - lr * f64::from(self.weight_decay);
        [decay as f32, (lr / correction(self.beta1)) as f32, correction(self.beta2).sqrt() as f32]
    }

    /// The uniform of the shader: β₁, β₂, ε and the schedule of this step.
    fn words(&self) -> [u32; 6] {
        let [decay, rate, root] = self.schedule();
        [self.beta1, self.beta2, self.epsilon, decay, rate, root].map(f32::to_bits)
    }

    fn step_reference(&self, p: &mut f64, m: &mut f64, v: &mut f64, g: f64, [decay, rate, root]: [f32; 3]) {
        let (beta1, beta2) = (f64::from(self.beta1), f64::from(self.beta2));
        *p *= f64::from(decay);
        *m = beta1 * *m + (1.0 - beta1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        *p -= f64::from(rate) * *m / (v.sqrt() / f64::from(root) + f64::from(self.epsilon));
    }

    /// One step of a run of parameters; `g(i)` is the gradient, clipped.
    #[inline(always)]
    fn step_cpu(&self, p: &mut [f32], m: &mut [f32], v: &mut [f32], g: impl Fn(usize) -> f32, schedule: [f32; 3]) {
        let [decay, rate, root] = schedule;
        let (keep1, keep2) = (1.0 - self.beta1, 1.0 - self.beta2);
        let n = p.len();
        let (m, v) = (&mut m[..n], &mut v[..n]);
        for i in 0..n {
            let g = g(i);
            m[i] = self.beta1 * m[i] + keep1 * g;
            v[i] = self.beta2 * v[i] + keep2 * g * g;
            p[i] = p[i] * decay - rate * m[i] / (v[i].sqrt() / root + self.epsilon);
        }
    }
}

impl Update for AdamW {
    fn reference(&self, state: &mut [&mut [f64]], inputs: &[&[f64]]) {
        let ([p, m, v], factor) = (split(state), inputs[1][0]);
        if factor.is_finite() {
            for i in 0..p.len() {
                self.step_reference(&mut p[i], &mut m[i], &mut v[i], inputs[0][i] * factor, self.schedule());
            }
        }
    }

    fn cpu(&self, state: &mut [&mut [f32]], inputs: &[&[f32]]) {
        const CHUNK: usize = 1 << 14;
        let ([p, m, v], g, factor) = (split(state), inputs[0], inputs[1][0]);
        if !factor.is_finite() {
            return;
        }
        let schedule = self.schedule();
        let chunks = p.par_chunks_mut(CHUNK).zip(m.par_chunks_mut(CHUNK)).zip(v.par_chunks_mut(CHUNK));
        chunks.zip(g.par_chunks(CHUNK)).for_each(|(((p, m), v), g)| {
            cpu::vectorized(
                #[inline(always)]
                || self.step_cpu(p, m, v, |i| g[i] * factor, schedule),
            );
        });
    }

    fn kernel(&self, state: &[&Shape], _: &[&Shape]) -> Kernel {
        let inputs = [Binding::Input(0), Binding::Input(1)];
        kernel("forward", inputs, state[0].len(), [self.words().as_slice(), &[1]].concat(), 1)
    }
}

/// One step of the rows of a table that have a gradient.
///
/// State: the table (v, h), first and second moments (slots, h). Inputs: gradients (n, h), the factor of clipping.
#[derive(Debug)]
pub struct AdamWRows {
    /// The numbers of this step.
    pub hyper: AdamW,
    /// For each row with a gradient, in order: the row of the table, and its slot. All distinct.
    pub rows: Ids,
}

impl Update for AdamWRows {
    fn reference(&self, state: &mut [&mut [f64]], inputs: &[&[f64]]) {
        let ([p, m, v], factor) = (split(state), inputs[1][0]);
        let h = inputs[0].len() / (self.rows.len() / 2).max(1);
        for (i, place) in self.rows.chunks_exact(2).enumerate().filter(|_| factor.is_finite()) {
            for c in 0..h {
                let (row, slot) = (place[0] as usize * h + c, place[1] as usize * h + c);
                let g = inputs[0][i * h + c] * factor;
                self.hyper.step_reference(&mut p[row], &mut m[slot], &mut v[slot], g, self.hyper.schedule());
            }
        }
    }

    fn cpu(&self, state: &mut [&mut [f32]], inputs: &[&[f32]]) {
        let ([p, m, v], factor, schedule) = (split(state), inputs[1][0], self.hyper.schedule());
        let h = inputs[0].len() / (self.rows.len() / 2).max(1);
        if !factor.is_finite() || h == 0 {
            return;
        }
        for (place, g) in self.rows.chunks_exact(2).zip(inputs[0].chunks_exact(h)) {
            let (row, slot) = (place[0] as usize * h, place[1] as usize * h);
            let (p, m, v) = (&mut p[row..row + h], &mut m[slot..slot + h], &mut v[slot..slot + h]);
            cpu::vectorized(
                #[inline(always)]
                || self.hyper.step_cpu(p, m, v, |i| g[i] * factor, schedule),
            );
        }
    }

    fn work(&self, _: &[&Shape], inputs: &[&Shape]) -> Work {
        Work::of(0.0, 7 * inputs[0].len()) // three read and written, one read
    }

    fn kernel(&self, state: &[&Shape], _: &[&Shape]) -> Kernel {
        let inputs = [Binding::Input(0), Binding::Input(1), Binding::Ids(self.rows.clone())];
        let (n, h) = (self.rows.len() / 2, state[0].columns());
        kernel("rows", inputs, n, [self.hyper.words().as_slice(), &[h as u32]].concat(), h)
    }
}

/// The steps that rows of a table have missed, with gradient 0.
///
/// State: the table (v, h), first and second moments (slots, h). No inputs.
#[derive(Debug)]
pub struct CatchUp {
    /// β₁, β₂ and ε; the rest comes from the schedule.
    pub hyper: AdamW,
    /// For each row three words: the row of the table, its slot, and how many steps it has taken. A row that never had
    /// a gradient has slot `u32::MAX`, and the bits of the factor by which it decays as third word. All distinct.
    pub rows: Ids,
    /// The width of the table.
    pub columns: usize,
    /// How many steps were taken before the first of the schedule.
    pub first: u32,
    /// [`AdamW::schedule`] of each step from there to the last one taken, as bits.
    pub schedule: Ids,
}

impl CatchUp {
    /// The schedules of the steps that come after the first `taken`.
    fn missed(&self, taken: u32) -> impl Iterator<Item = [f32; 3]> + '_ {
        let steps = self.schedule[(taken - self.first) as usize * SCHEDULE_WORDS..].chunks_exact(SCHEDULE_WORDS);
        steps.map(|words| [words[0], words[1], words[2]].map(f32::from_bits))
    }

    fn rows(&self) -> impl Iterator<Item = [u32; 3]> + '_ {
        self.rows.chunks_exact(3).map(|words| [words[0], words[1], words[2]])
    }
}

impl Update for CatchUp {
    fn reference(&self, state: &mut [&mut [f64]], _: &[&[f64]]) {
        let [p, m, v] = split(state);
        let h = self.columns;
        for [row, slot, last] in self.rows() {
            for c in 0..h {
                let p = &mut p[row as usize * h + c];
                if slot == u32::MAX {
                    *p *= f64::from(f32::from_bits(last));
                    continue;
                }
                let at = slot as usize * h + c;
                for schedule in self.missed(last) {
                    self.hyper.step_reference(p, &mut m[at], &mut v[at], 0.0, schedule);
                }
            }
        }
    }

    fn cpu(&self, state: &mut [&mut [f32]], _: &[&[f32]]) {
        let [p, m, v] = split(state);
        let h = self.columns;
        let [mut lazy, mut untouched] = [Vec::new(), Vec::new()];
        for row in self.rows() {
            if row[1] == u32::MAX { untouched.push(row) } else { lazy.push(row) }
        }
        for [row, _, factor] in untouched {
            p[row as usize * h..][..h].iter_mut().for_each(|p| *p *= f32::from_bits(factor));
        }
        let (rows, slots): (Vec<u32>, Vec<u32>) = lazy.iter().map(|[row, slot, _]| (*row, *slot)).unzip();
        let parts = distinct_rows(p, h, &rows).into_par_iter().zip(distinct_rows(m, h, &slots));
        parts.zip(distinct_rows(v, h, &slots)).zip(lazy).for_each(|(((p, m), v), [_, _, last])| {
            for schedule in self.missed(last) {
                cpu::vectorized(
                    #[inline(always)]
                    || self.hyper.step_cpu(p, m, v, |_| 0.0, schedule),
                );
            }
        });
    }

    fn work(&self, _: &[&Shape], _: &[&Shape]) -> Work {
        let numbers = |[_, slot, _]: [u32; 3]| if slot == u32::MAX { 2 } else { 6 };
        Work::of(0.0, self.rows().map(numbers).sum::<usize>() * self.columns)
    }

    fn kernel(&self, _: &[&Shape], _: &[&Shape]) -> Kernel {
        let inputs = [Binding::Ids(self.rows.clone()), Binding::Ids(self.schedule.clone())];
        let (n, h, steps) = (self.rows.len() / 3, self.columns, self.schedule.len() / SCHEDULE_WORDS);
        let words = [h as u32, self.first, steps as u32];
        kernel("catch_up", inputs, n, [self.hyper.words().as_slice(), &words].concat(), h)
    }
}

/// One dispatch over parameter, moments and `inputs`, for `n` rows of `h` elements.
fn kernel(
    entry: &'static str,
    inputs: impl IntoIterator<Item = Binding>,
    n: usize,
    words: Vec<u32>,
    h: usize,
) -> Kernel {
    let dispatch = Dispatch {
        shader: "adamw".into(),
        entry,
        bindings: (0..3).map(Binding::Output).chain(inputs).collect(),
        uniform: [vec![n as u32], words].concat(),
        workgroups: (n * h).div_ceil(256),
    };
    Kernel { dispatches: vec![dispatch], ..Kernel::default() }
}

fn split<'a, T>(state: &'a mut [&mut [T]]) -> [&'a mut [T]; 3] {
    let [p, m, v] = state else { unreachable!("AdamW's state is parameter and two moments") };
    [p, m, v]
}

/// The given rows of a matrix, all at once; they must be distinct.
fn distinct_rows<'a>(data: &'a mut [f32], columns: usize, rows: &[u32]) -> Vec<&'a mut [f32]> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|i| rows[*i]);
    let mut found: Vec<Option<&mut [f32]>> = rows.iter().map(|_| None).collect();
    let (mut rest, mut start) = (data, 0);
    for i in order {
        let skip = rows[i] as usize - start;
        let (row, after) = rest.split_at_mut(skip * columns).1.split_at_mut(columns);
        (found[i], rest, start) = (Some(row), after, rows[i] as usize + 1);
    }
    found.into_iter().flatten().collect()
}
