//! Numbers of eight bits: a sign, four digits of exponent, three of mantissa (Micikevicius et al., 2022, E4M3), as PyTorch's
//! `float8_e4m3fn` and safetensors' `F8_E4M3` have them. There is no infinity; the largest is 448, the smallest 2⁻⁹.

/// What is not a number, without its sign.
const NAN: u8 = 0x7f;
/// The smallest number whose three digits follow a one: 2⁻⁶. Below, numbers are whole multiples of 2⁻⁹.
const SMALLEST_NORMAL: f32 = 1.0 / 64.0;
/// Half way from the largest number, 448, to the next, which is not there: at a tie the even one is that.
const TOO_LARGE: f32 = 464.0;

/// The number that a byte stands for.
pub fn to_f32(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let size = match (byte & NAN, exponent) {
        (NAN, _) => f32::NAN,
        (_, 0) => mantissa / 512.0,
        _ => (1.0 + mantissa / 8.0) * 2.0_f32.powi(exponent - 7),
    };
    if byte >> 7 == 1 { -size } else { size }
}

/// The byte of the nearest number, of two the even one; `None` where that would be beyond the largest.
pub fn from_f32(x: f32) -> Option<u8> {
    let (sign, size) = (u8::from(x.is_sign_negative()) << 7, x.abs());
    if x.is_nan() {
        return Some(sign | NAN);
    }
    if size >= TOO_LARGE {
        return None;
    }
    let code = if size < SMALLEST_NORMAL {
        (size * 512.0).round_ties_even() as u8
    } else {
        let exponent = (size.to_bits() >> 23) as i32 - 127;
        let eighths = (size * 2.0_f32.powi(3 - exponent)).round_ties_even() as u8; // 8 to 16, which is the next exponent's 8
        ((exponent + 7) as u8 * 8) + (eighths - 8)
    };
    Some(sign | code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_its_own_number() {
        for byte in 0..=u8::MAX {
            let x = to_f32(byte);
            assert_eq!(x.is_nan(), byte & NAN == NAN, "{byte:#x}");
            assert_eq!(from_f32(x).map(|found| found & NAN), Some(byte & NAN), "{byte:#x}: {x}");
            assert!(x.is_nan() || from_f32(x) == Some(byte), "{byte:#x}: {x}");
        }
        // Of Micikevicius et al. (2022), table 1.
        assert_eq!(
            [to_f32(0x7e), to_f32(0x08), to_f32(0x07), to_f32(0x01)],
            [448.0, 2.0_f32.powi(-6), 0.875 * 2.0_f32.powi(-6), 2.0_f32.powi(-9)]
        );
    }

    #[test]
    fn numbers_go_to_the_nearest_and_between_two_to_the_even_one() {
        for byte in 0..0x7e_u8 {
            let (a, b) = (to_f32(byte), to_f32(byte + 1));
            let (middle, step) = (0.5 * (a + b), 0.25 * (b - a));
            let even = byte + (byte & 1);
            assert_eq!(from_f32(middle), Some(even), "{middle}");
            assert_eq!(from_f32(middle - step), Some(byte), "{middle}");
            assert_eq!(from_f32(-(middle + step)), Some((byte + 1) | 0x80), "{middle}");
        }
    }

    #[test]
    fn what_is_too_large_has_no_byte() {
        for (x, fits) in [(448.0, true), (463.9, true), (464.0, false), (1e30, false), (f32::INFINITY, false)] {
            assert_eq!((from_f32(x).is_some(), from_f32(-x).is_some()), (fits, fits), "{x}");
        }
    }
}
