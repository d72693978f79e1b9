//! What no component of a [`ModelPath`](super::ModelPath) may be or hold: tables of Windows and of Unicode.

/// Tells whether Windows takes the component for a device, whatever its letter case and extension.
///
/// `NUL`, `nul.txt` and `Nul .bin` all open the null device. Source: Microsoft, «Naming Files, Paths, and Namespaces».
pub(super) fn is_reserved_on_windows(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or(component).trim_end_matches(' ');
    DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device)) || is_numbered_port(stem)
}

/// Recognises `COM1` to `COM9` and `LPT1` to `LPT9`.
fn is_numbered_port(stem: &str) -> bool {
    let mut characters = stem.chars();
    let Some('1'..='9') = characters.next_back() else { return false };
    let port = characters.as_str();
    port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT")
}

/// Tells whether a character is of Unicode's general category Cf, or is a line or paragraph separator.
///
/// Among these are all direction overrides and isolates and everything of zero width that joins or separates.
pub(super) fn is_format_control(character: char) -> bool {
    let code = u32::from(character);
    FORMAT_CONTROLS
        .binary_search_by(|&(first, last)| {
            if last < code {
                std::cmp::Ordering::Less
            } else if first > code {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Equal
            }
        })
        .is_ok()
}

const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// First and last code points, ascending (Unicode 16, category Cf, with U+2028 and U+2029).
const FORMAT_CONTROLS: [(u32, u32); 21] = [
    (0x00AD, 0x00AD),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x2064),
    (0x2066, 0x206F),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0x1_10BD, 0x1_10BD),
    (0x1_10CD, 0x1_10CD),
    (0x1_3430, 0x1_343F),
    (0x1_BCA0, 0x1_BCA3),
    (0x1_D173, 0x1_D17A),
    (0xE_0001, 0xE_0001),
    (0xE_0020, 0xE_007F),
];
