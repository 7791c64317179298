//! Numbers as words of a report.

/// `1 word`, `5 words`, `3 to 10 words`.
pub(crate) fn words(from: usize, to: usize) -> String {
    match (from, to) {
        (1, 1) => "1 word".into(),
        _ if from == to => format!("{from} words"),
        _ => format!("{from} to {to} words"),
    }
}

/// `1 sentence`, `1,234 sentences`.
pub(crate) fn sentences(count: usize) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} sentence{ending}", grouped(count))
}

/// `5`, `3-10`.
pub(crate) fn range(from: usize, to: usize) -> String {
    if from == to {
        from.to_string()
    } else {
        format!("{from}-{to}")
    }
}

/// `1,234,567`.
pub(crate) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A whole number with its sign, `-1,234`.
pub(crate) fn signed(value: f64) -> String {
    let sign = if value.round() < 0.0 { "-" } else { "" };
    format!("{sign}{}", grouped(whole(value.abs())))
}

/// A digit or two and a power of ten, `2e-5`.
pub(crate) fn power(value: f64) -> String {
    format!("{value:.1e}").replace(".0e", "e")
}

/// Three or four digits of anything, `1.234`, `0.01234`, `12,345`, `1.23e-5`.
pub(crate) fn precise(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size @ 1e-3..1.0 => {
            let zeros = if size < 0.01 {
                2
            } else {
                usize::from(size < 0.1)
            };
            format!("{value:.*}", 4 + zeros)
        }
        1.0..10.0 => format!("{value:.3}"),
        10.0..100.0 => format!("{value:.2}"),
        100.0..1e3 => format!("{value:.1}"),
        1e3..1e9 => signed(value),
        _ => format!("{value:.2e}"),
    }
}

/// A rate or a size without decimals, `1,234`; a dash where it is not known.
pub(crate) fn rounded(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => grouped(whole(value)),
        _ => "-".into(),
    }
}

/// `45 s`, `12 min 5 s`, `2 h 7 min`; a dash where it is not known.
pub(crate) fn duration(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds.filter(|seconds| seconds.is_finite()) else {
        return "-".into();
    };
    match whole(seconds) {
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Perplexity with three digits or so; enormous ones in powers of ten.
pub(crate) fn perplexity(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        100.0..1e6 => grouped(whole(value)),
        _ => format!("{value:.0e}"),
    }
}

/// A score of 0-100.
pub(crate) fn score(value: f64) -> String {
    format!("{value:.1}")
}

/// `[low, high]`.
pub(crate) fn interval([low, high]: [f64; 2], number: fn(f64) -> String) -> String {
    format!("[{}, {}]", number(low), number(high))
}

fn whole(value: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is too large or too small saturates"
    )]
    let whole = value.round() as usize;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(words(1, 1), "1 word");
        assert_eq!(words(7, 7), "7 words");
        assert_eq!(words(3, 10), "3 to 10 words");
        assert_eq!(sentences(1), "1 sentence");
        assert_eq!(sentences(1_200), "1,200 sentences");
        assert_eq!(range(7, 7), "7");
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0.04, 9.96, 59.4, 59.6, 3_599.0, 7_620.0].map(|seconds| duration(Some(seconds))),
            [
                "0.0 s",
                "10 s",
                "59 s",
                "1 min 0 s",
                "59 min 59 s",
                "2 h 7 min"
            ]
        );
        assert_eq!(duration(None), "-");
        assert_eq!(rounded(Some(f64::NAN)), "-");
        assert_eq!(
            [1.004, 12.34, 1_234.4, f64::MAX].map(perplexity),
            ["1.00", "12.3", "1,234", "2e308"]
        );
        assert_eq!([-1_234.6, -0.2].map(signed), ["-1,235", "0"]);
        assert_eq!([2e-5, 1.26e-5].map(power), ["2e-5", "1.3e-5"]);
        assert_eq!(
            [0.0, 0.012_34, 0.5, 1.811_5, 35.2, -123.4, 4_567.8, 3e-5].map(precise),
            [
                "0", "0.01234", "0.5000", "1.812", "35.20", "-123.4", "4,568", "3.00e-5"
            ]
        );
    }
}
