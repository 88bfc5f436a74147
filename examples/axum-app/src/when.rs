use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maud::{Markup, html};

/// A time in UTC, which the page's script shows in the reader's time zone.
pub(crate) fn moment(at: SystemTime) -> Markup {
    let rfc3339 = humantime::format_rfc3339_seconds(at).to_string();
    let text = rfc3339.replace('T', " ").replace('Z', " UTC");
    html! { time datetime=(rfc3339) { (text) } }
}

/// Whole seconds since the Unix epoch; 0 before it.
pub(crate) fn unix(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// `4:59`, or `1:04:59` from an hour on.
pub(crate) fn clock_face(left: Duration) -> String {
    let (hours, minutes, seconds) =
        (left.as_secs() / 3600, left.as_secs() / 60 % 60, left.as_secs() % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        1.. => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// `12 s ago`, in the two largest units.
pub(crate) fn ago(at: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(at).unwrap_or_default().as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s ago", seconds),
        (0, 0, _) => format!("{minutes} min {} s ago", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min ago"),
        (_, _, _) => format!("{days} d {hours} h ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_a_clock() {
        for (seconds, face) in
            [(0, "0:00"), (9, "0:09"), (299, "4:59"), (3600, "1:00:00"), (3899, "1:04:59")]
        {
            assert_eq!(clock_face(Duration::from_secs(seconds)), face);
        }
    }

    #[test]
    fn the_past_has_two_units() {
        let at = UNIX_EPOCH + Duration::from_secs(1_000);
        for (seconds, text) in [
            (0, "0 s ago"),
            (59, "59 s ago"),
            (61, "1 min 1 s ago"),
            (3_720, "1 h 2 min ago"),
            (180_000, "2 d 2 h ago"),
        ] {
            assert_eq!(ago(at, at + Duration::from_secs(seconds)), text);
        }
        assert_eq!(ago(at + Duration::from_secs(1), at), "0 s ago", "skew is not an overflow");
    }
}
