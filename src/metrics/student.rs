//! Student's t distribution.

/// The two-sided p-value of Student's t with so many degrees of freedom, whole or not; NaN without any.
pub fn t_tails(t: f64, freedom: f64) -> f64 {
    if freedom.is_nan() || freedom <= 0.0 || t.is_nan() {
        return f64::NAN;
    }
    beta_share(freedom / (freedom + t * t), freedom / 2.0)
}

/// The t that leaves so much in both tails together: 1.96 for 0.05 and endless degrees of freedom.
///
/// Newton's steps on the logarithms of `x = f / (f + t²)` and of the share of the beta distribution below it, which is
/// nearly a line; a step that leaves what is still possible halves it instead.
pub fn t_quantile(tails: f64, freedom: f64) -> f64 {
    if !(tails > 0.0 && tails <= 1.0 && freedom > 0.0) {
        return f64::NAN;
    }
    if tails == 1.0 {
        return 0.0;
    }
    let a = freedom / 2.0;
    let (mut low, mut high) = (-700.0f64, 0.0f64); // of ln x
    let mut log = -1.0f64;
    for _ in 0..200 {
        let share = beta_share(log.exp(), a);
        let off = share.ln() - tails.ln();
        if off > 0.0 {
            high = log
        } else {
            low = log
        }
        let slope = (a * log - 0.5 * (-log.exp_m1()).ln() - log_beta_half(a) - share.ln()).exp();
        let step = log - off / slope;
        let next = if step > low && step < high { step } else { (low + high) / 2.0 };
        if (next - log).abs() <= 1e-15 * log.abs() || off == 0.0 {
            break;
        }
        log = next;
    }
    // t² = f (1 − x) / x
    (freedom * -log.exp_m1() / log.exp()).sqrt()
}

/// The logarithm of the beta function of `a` and one half: ln Γ(a) + ln Γ(½) − ln Γ(a + ½).
///
/// The ratio of the two is a series in 1 / a (Tricomi & Erdélyi, 1951), to which small `a` are brought by Γ(a + 1) = a Γ(a).
fn log_beta_half(mut a: f64) -> f64 {
    let mut log = 0.5 * std::f64::consts::PI.ln();
    while a < 20.0 {
        log -= (a / (a + 0.5)).ln();
        a += 1.0;
    }
    let square = a * a;
    let series = (-1.0 / 8.0 + (1.0 / 192.0 + (-1.0 / 640.0 + 17.0 / 14336.0 / square) / square) / square) / a;
    log - 0.5 * a.ln() - series
}

/// The share of the beta distribution of `a` and one half below `x`: the regularized incomplete beta function.
fn beta_share(x: f64, a: f64) -> f64 {
    const HALF: f64 = 0.5;
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = (a * x.ln() + HALF * (-x).ln_1p() - log_beta_half(a)).exp();
    match x < (a + 1.0) / (a + HALF + 2.0) {
        true => front * beta_fraction(x, a, HALF) / a,
        false => 1.0 - front * beta_fraction(1.0 - x, HALF, a) / HALF,
    }
}

/// Its continued fraction (DLMF 8.17.22), by Lentz's method.
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let kept = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut c, mut d) = (1.0, 1.0 / kept(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for i in 1..10_000 {
        let m = f64::from(i);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / kept(1.0 + term * d);
            c = kept(1.0 + term / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    const T_QUANTILES: [(f64, f64, f64); 9] = [
        (0.05, 1.0, 12.706204736174705),
        (0.05, 4.0, 2.7764451051977943),
        (0.05, 2.7, 3.3921483831737524),
        (0.05, 5009.0, 1.96043769881788),
        (1e-06, 4.0, 49.45863675693464),
        (0.5, 1.0, 1.0),
        (0.9, 30.0, 0.12672961313207354),
        (1e-10, 499.0, 6.608273118534547),
        (0.1, 1000000.0, 1.6448551507220406),
    ];

    #[test]
    fn students_t_is_scipys() {
        // scipy.stats.t.ppf(1 - tails / 2, freedom); 2 * scipy.stats.t.sf(t, freedom)
        for (tails, freedom, expected) in T_QUANTILES {
            assert_relative_eq!(t_quantile(tails, freedom), expected, max_relative = 1e-9);
            assert_relative_eq!(t_tails(expected, freedom), tails, max_relative = 1e-9);
        }
        assert_eq!((t_tails(0.0, 3.0), t_quantile(1.0, 3.0)), (1.0, 0.0));
        assert!(t_tails(1.0, 0.0).is_nan() && t_quantile(0.05, 0.0).is_nan());
        assert!(t_tails(1e9, 5009.0) >= 0.0 && t_tails(1e9, 5009.0) < 1e-300);
    }
}
