//! Buckets of distances between tokens, as DeBERTa has them (He et al., 2021): near distances have one each, far ones
//! share, the more the farther.

use crate::array::Ids;
use std::ops::Range;

/// Which row of a table of relative positions belongs to each distance from a query to a key.
///
/// Rows are found on the host, once, so that they are the same on every device.
#[derive(Clone, Debug)]
pub struct Buckets {
    /// The row of each distance from 1 - longest to longest - 1, ascending: (2 longest - 1); then the place in that list at
    /// which the distances of each row begin, and its end: (count + 1).
    pub(super) table: Ids,
    /// Rows of the table of relative positions.
    pub count: usize,
    /// Tokens of the longest sequence that there are distances for.
    pub longest: usize,
}

impl Buckets {
    /// `side` buckets before and `side` behind a token: half of them for the distances up to `side / 2`, the others for
    /// logarithms of distances below `reach`. What lies farther, up to `longest`, is in the last.
    ///
    /// # Panics
    ///
    /// Where `side` is below 2, or `reach` leaves nothing to the logarithms (`side / 2 + 1` or less).
    #[track_caller]
    pub fn logarithmic(side: usize, reach: usize, longest: usize) -> Buckets {
        assert!(side >= 2 && reach > side / 2 + 1, "{side} buckets cannot be laid out up to a distance of {reach}");
        let last = longest.saturating_sub(1) as i64;
        let count = 2 * side;
        let row = |distance: i64| (bucket(distance, side, reach) + side as i64).clamp(0, count as i64 - 1) as u32;
        let mut table: Vec<u32> = (-last..=last).map(row).collect();
        let starts: Vec<u32> = (0..=count as u32).map(|row| table.partition_point(|x| *x < row) as u32).collect();
        table.extend(starts);
        Buckets { table: table.into(), count, longest: longest.max(1) }
    }

    /// The row for a query and a key at these places of their sequence.
    pub fn row(&self, query: usize, key: usize) -> usize {
        self.table[self.longest - 1 + query - key] as usize
    }

    /// The rows for a query at place `i` and each of `s` keys, the last key first.
    pub(super) fn rows_before(&self, i: usize, s: usize) -> &[u32] {
        let end = self.longest + i;
        &self.table[end - s..end]
    }

    /// From the first to the last row that a sequence of `s` tokens sees.
    pub(super) fn seen(&self, s: usize) -> Range<usize> {
        if s == 0 {
            return 0..0;
        }
        self.row(0, s - 1)..self.row(s - 1, 0) + 1
    }

    /// The most distances within a sequence of `s` tokens that share a row.
    pub(super) fn most_shared(&self, s: usize) -> usize {
        let starts = &self.table[2 * self.longest - 1..];
        let (low, high) = ((self.longest - s.min(self.longest)) as u32, (self.longest + s) as u32 - 1);
        let shared = |ends: &[u32]| ends[1].min(high).saturating_sub(ends[0].max(low)) as usize;
        starts.windows(2).map(shared).max().unwrap_or(0)
    }
}

/// The bucket of a distance, by the formula of transformers' `make_log_bucket_position`, in its f32.
fn bucket(distance: i64, side: usize, reach: usize) -> i64 {
    let middle = (side / 2) as i64;
    if distance.abs() <= middle {
        return distance;
    }
    let far = (distance.abs() as f32 / middle as f32).ln();
    let farthest = ((reach - 1) as f64 / middle as f64) as f32;
    let steps = (far / farthest.ln() * (middle - 1) as f32).ceil() as i64;
    (steps + middle) * distance.signum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// mDeBERTa-v3's: 256 buckets on each side, 512 positions.
    #[test]
    fn rows_are_those_of_the_formula() {
        let buckets = Buckets::logarithmic(256, 512, 512);
        let row = |distance: i64| buckets.row(distance.max(0) as usize, (-distance).max(0) as usize);
        for (distance, expected) in [(0, 256), (1, 257), (-1, 255), (128, 384), (-128, 128), (129, 385), (-129, 127)] {
            assert_eq!(row(distance), expected, "{distance}");
        }
        // 128 + ⌈ln(256 / 128) / ln(511 / 128) · 127⌉ = 192, and the farthest is in the last but one of each side.
        assert_eq!([row(256), row(-256), row(511), row(-511)], [448, 64, 511, 1]);
        assert!((-511..511).all(|distance| row(distance) <= row(distance + 1)), "rows ascend");
    }

    /// Were the number before rounding up a whole one but for an error of f32, libraries would disagree.
    #[test]
    fn no_distance_is_where_rounding_decides() {
        for distance in 129..511 {
            let steps = (f64::from(distance) / 128.0).ln() / (511.0_f64 / 128.0).ln() * 127.0;
            assert!((steps - steps.round()).abs() > 1e-4, "{distance}: {steps}");
        }
    }

    #[test]
    fn each_distance_is_found_by_its_row() {
        for (side, reach, longest) in [(8, 22, 22), (2, 5, 9), (5, 40, 17), (256, 512, 512), (4, 10, 1)] {
            let buckets = Buckets::logarithmic(side, reach, longest);
            let (rows, starts) = buckets.table.split_at(2 * longest - 1);
            assert_eq!(starts.len(), 2 * side + 1);
            for (row, ends) in starts.windows(2).enumerate() {
                assert!(rows[ends[0] as usize..ends[1] as usize].iter().all(|found| *found as usize == row));
            }
            assert_eq!(starts[2 * side] as usize, rows.len(), "{side} {reach} {longest}");
            for s in 0..=longest {
                let within = &rows[(longest - s).min(rows.len())..(longest + s).saturating_sub(1).max(longest - s)];
                let shared = |row: u32| within.iter().filter(|found| **found == row).count();
                assert_eq!(buckets.most_shared(s), (0..2 * side as u32).map(shared).max().unwrap_or(0), "{s}");
            }
        }
    }
}
