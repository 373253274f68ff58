//! Randomness as a value: Philox4x32-10 (Salmon et al., 2011), the same in Rust and in WGSL.
//!
//! A number is a function of (seed, step, stream, position): there is no generator state to save, a dropout mask is
//! computed again in the backward pass instead of stored, and a resumed run draws what the unbroken one would have.

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Ten rounds of Philox: four random words for a counter under a key.
#[inline(always)]
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let left = u64::from(MULTIPLIER[0]) * u64::from(counter[0]);
        let right = u64::from(MULTIPLIER[1]) * u64::from(counter[2]);
        counter = [
            (right >> 32) as u32 ^ counter[1] ^ key[0],
            right as u32,
            (left >> 32) as u32 ^ counter[3] ^ key[1],
            left as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// [`philox`] for `N` counters that differ in their first word, which counts up: words in order, four for each.
///
/// Written side by side in 64-bit lanes, of which only the lower halves count: that is what vector instructions multiply.
#[inline(always)]
pub fn philox_run<const N: usize>([first, row, step, stream]: [u32; 4], mut key: [u32; 2]) -> [[u32; 4]; N] {
    const LOW: u64 = 0xFFFF_FFFF;
    let (mut b, mut c, mut d) = ([u64::from(row); N], [u64::from(step); N], [u64::from(stream); N]);
    let mut a = [0; N];
    for (lane, a) in a.iter_mut().enumerate() {
        *a = u64::from(first.wrapping_add(lane as u32));
    }
    for _ in 0..10 {
        for lane in 0..N {
            let left = u64::from(MULTIPLIER[0]) * (a[lane] & LOW);
            let right = u64::from(MULTIPLIER[1]) * (c[lane] & LOW);
            a[lane] = (right >> 32) ^ b[lane] ^ u64::from(key[0]);
            b[lane] = right;
            c[lane] = (left >> 32) ^ d[lane] ^ u64::from(key[1]);
            d[lane] = left;
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    let mut words = [[0; 4]; N];
    for lane in 0..N {
        words[lane] = [a[lane] as u32, b[lane] as u32, c[lane] as u32, d[lane] as u32];
    }
    words
}

/// A random word as a number in [0, 1): its upper 24 bits.
#[inline(always)]
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Two independent standard normal numbers from two words (Box & Muller, 1958).
#[inline]
pub fn gaussian_pair(words: [u32; 2]) -> [f32; 2] {
    let radius = (-2.0 * (1.0 - unit(words[0])).ln()).sqrt();
    let (sin, cos) = (std::f32::consts::TAU * unit(words[1])).sin_cos();
    [radius * cos, radius * sin]
}

/// Where in the stream of randomness a tensor's random numbers come from.
///
/// Element `i` of row `r` uses word `i % 4` of `philox([i / 4, r, step, stream], seed)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The run's seed: Philox's key.
    pub seed: u64,
    /// The update that the draw belongs to.
    pub step: u32,
    /// Which use within the update: each dropout site and each noise sample has its own.
    pub stream: u32,
}

impl Draw {
    /// Words `4 * block .. 4 * block + 4` of a row.
    #[inline(always)]
    pub fn words(&self, block: u32, row: u32) -> [u32; 4] {
        philox([block, row, self.step, self.stream], self.key())
    }

    /// Philox's key: the seed's lower and upper half.
    #[inline(always)]
    pub fn key(&self) -> [u32; 2] {
        [self.seed as u32, (self.seed >> 32) as u32]
    }
}

/// The threshold that a random word must reach for its element to be kept by dropout at `rate`.
pub fn drop_threshold(rate: f32) -> u32 {
    (f64::from(rate) * 4_294_967_296.0) as u32
}

/// Uses of randomness outside tensors, each a stream of its own.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// The order of training examples in an epoch.
    Shuffle,
    /// Word substitution.
    Augment,
    /// Which tokens are masked and by what.
    Mask,
    /// Fresh weights.
    Initialize,
    /// Resampling in statistics.
    Resample,
    /// Generated data.
    Generate,
    /// Which task an update is of.
    Tasks,
}

/// A sequence of random numbers for use on the host, one per (seed, stream).
#[derive(Clone, Debug)]
pub struct Rng {
    key: [u32; 2],
    stream: u64,
    block: u64,
    words: [u32; 4],
    used: usize,
}

impl Rng {
    /// The sequence of this seed and stream, from its start.
    pub fn new(seed: u64, stream: u64) -> Rng {
        Rng { key: [seed as u32, (seed >> 32) as u32], stream, block: 0, words: [0; 4], used: 4 }
    }

    /// The sequence for a purpose; `index` tells apart epochs, examples or tensors.
    pub fn for_purpose(seed: u64, purpose: Purpose, index: u64) -> Rng {
        Rng::new(seed ^ 0x5851_F42D_4C95_7F2D, ((purpose as u64 + 1) << 56) ^ index)
    }

    /// The next word.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            let counter =
                [self.block as u32, (self.block >> 32) as u32, self.stream as u32, (self.stream >> 32) as u32];
            self.words = philox(counter, self.key);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// A number below `n`, each equally likely (Lemire's multiplication with rejection).
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "no number is below 0");
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(n);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }

    /// A number in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        unit(self.next_u32())
    }

    /// A standard normal number.
    pub fn gaussian(&mut self) -> f32 {
        gaussian_pair([self.next_u32(), self.next_u32()])[0]
    }

    /// Puts the items into random order (Fisher & Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_vectors_of_random123() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox(counter, key), expected);
            let [_, second] = philox_run::<2>([counter[0].wrapping_sub(1), counter[1], counter[2], counter[3]], key);
            assert_eq!(second, expected);
        }
    }

    #[test]
    fn a_sequence_is_uniform_and_repeats() {
        let mut rng = Rng::new(7, 1);
        let counts = (0..30_000).fold([0; 3], |mut counts, _| {
            counts[rng.below(3) as usize] += 1;
            counts
        });
        assert!(counts.iter().all(|n| (9_700..10_300).contains(n)), "{counts:?}");
        let (first, again) = (Rng::new(7, 1).next_u32(), Rng::new(7, 1).next_u32());
        assert_eq!(first, again);
        assert_ne!(first, Rng::new(7, 2).next_u32());
    }

    #[test]
    fn gaussians_have_unit_variance() {
        let mut rng = Rng::new(3, 0);
        let values: Vec<f64> = (0..20_000).map(|_| f64::from(rng.gaussian())).collect();
        let mean = values.iter().sum::<f64>() / 20_000.0;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
