//! Times as WorkOS writes them: RFC 3339, such as `2026-01-15T12:00:00.000Z`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads a time since 1970, as WorkOS writes it (RFC 3339). Fractions of a second are cut off.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use authkit_session::integration::parse_timestamp;
///
/// let noon = UNIX_EPOCH + Duration::from_secs(1_768_478_400);
/// assert_eq!(parse_timestamp("2026-01-15T12:00:00.000Z"), Some(noon));
/// assert_eq!(parse_timestamp("yesterday"), None);
/// ```
pub fn parse_timestamp(text: &str) -> Option<SystemTime> {
    let (date, time) = text.split_once(['T', 't'])?;
    let [year, month, day] = numbers(date, '-')?;
    let (time, offset) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let at = time.rfind(['+', '-'])?;
            let [hours, minutes] = numbers(&time[at + 1..], ':')?;
            let east = i64::from(hours) * 3_600 + i64::from(minutes) * 60;
            (&time[..at], if time[at..].starts_with('-') { -east } else { east })
        }
    };
    let time = match time.split_once('.') {
        Some((time, fraction)) if is_number(fraction) => time,
        Some(_) => return None,
        None => time,
    };
    let [hours, minutes, seconds] = numbers(time, ':')?;
    let is_time = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hours < 24
        && minutes < 60
        && seconds <= 60;
    let seconds = days(year, month, day) * 86_400
        + i64::from(hours) * 3_600
        + i64::from(minutes) * 60
        + i64::from(seconds)
        - offset;
    let since = u64::try_from(seconds).ok().filter(|_| is_time)?;
    Some(UNIX_EPOCH + Duration::from_secs(since))
}

/// Exactly `N` numbers of at most four digits.
fn numbers<const N: usize>(text: &str, separator: char) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for number in &mut numbers {
        *number = parts.next().filter(|part| part.len() <= 4 && is_number(part))?.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Days from 1970-01-01 in the Gregorian calendar, by counting from the first of March, after which leap days come.
fn days(year: u32, month: u32, day: u32) -> i64 {
    let (year, month) = (i64::from(year), i64::from(month));
    let years = if month > 2 { year } else { year - 1 };
    let since_march = (month + 9) % 12;
    let leap_days = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    years * 365 + leap_days + (since_march * 306 + 5) / 10 + i64::from(day) - 1 - MARCH_OF_0_TO_1970
}

const MARCH_OF_0_TO_1970: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_date_writes_them() {
        // The seconds are those of `date --utc --date=… +%s`.
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T23:59:59.999Z", Some(951_868_799)),
            ("2023-11-18T04:18:13.126Z", Some(1_700_281_093)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800)),
            ("2024-03-01T00:00:00Z", Some(1_709_251_200)),
            ("2026-01-15T12:00:00.000Z", Some(1_768_478_400)),
            ("2026-01-15t14:30:00+02:30", Some(1_768_478_400)),
            ("2026-01-15T07:00:00-05:00", Some(1_768_478_400)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-00-01T00:00:00Z", None),
            ("2026-01-32T00:00:00Z", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:00Z", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01T00:00:00.Z", None),
            ("2026-01-01T00:00:00.1x5Z", None),
            ("2026-01-01T00:00:00+0100", None),
            ("2026-01-01T00:00:00+1:2:3", None),
            ("2026-01-01 00:00:00Z", None),
            ("99999-01-01T00:00:00Z", None),
            ("-026-01-01T00:00:00Z", None),
            ("2026-01-01T00:00:00€", None),
            ("T", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            let expected = seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(parse_timestamp(text), expected, "{text}");
        }
    }
}
