//! Means to the last digit: one after another as Python sums, and by halves as numpy does.

/// The mean of numbers summed one after another, as Python's `sum` does up to version 3.11; later ones carry along what
/// rounding loses, and can differ in the last digit. `None` where there are none.
pub fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

/// The mean as numpy forms it; `None` where there are none.
pub fn numpy_mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numpy_sum(numbers) / numbers.len() as f64)
}

/// How many numbers numpy sums without halving (`PW_BLOCKSIZE` of its pairwise summation).
const BLOCK: usize = 128;

/// The sum as numpy forms it: in eight lanes up to 128 numbers, by halves above.
pub(super) fn numpy_sum(numbers: &[f64]) -> f64 {
    let n = numbers.len();
    if n < 8 {
        return numbers.iter().sum();
    }
    if n > BLOCK {
        let half = n / 2 - (n / 2) % 8;
        return numpy_sum(&numbers[..half]) + numpy_sum(&numbers[half..]);
    }
    let (eights, rest) = numbers.as_chunks::<8>();
    let mut lanes = eights[0];
    for eight in &eights[1..] {
        for (lane, number) in lanes.iter_mut().zip(eight) {
            *lane += number;
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, number| sum + number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_halves_are_numpys() {
        // numpy 2.4.6: `np.array([1 / (i + 3) for i in range(n)]).sum()`.
        let cases = [
            (1, 0.3333333333333333),
            (7, 1.328968253968254),
            (8, 1.4289682539682538),
            (9, 1.5198773448773446),
            (31, 2.5887982257395503),
            (128, 3.948591338265976),
            (129, 3.956224926052236),
            (1000, 5.987467865541362),
            (4097, 7.3958359614170535),
        ];
        for (n, sum) in cases {
            let numbers: Vec<f64> = (0..n).map(|i| 1.0 / (f64::from(i) + 3.0)).collect();
            assert_eq!(numpy_sum(&numbers), sum, "{n} numbers");
        }
        assert_eq!((mean(&[]), numpy_mean(&[])), (None, None));
    }
}
