//! Keys whose primes can be found, since the chips that made them chose among too few (CVE-2017-15361, "ROCA").

/// Whether a modulus, the most significant byte first, has the form of those keys.
///
/// Such a modulus is a power of 65537 modulo every small prime. One that is not has this form by chance once in 2^167.
/// Source: Nemec et al., "The Return of Coppersmith's Attack" (2017).
pub(super) fn is_vulnerable(modulus: &[u8]) -> bool {
    (3..=LARGEST_PRIME).filter(|number| is_prime(*number)).all(|prime| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest * 256 + u64::from(*byte)) % prime);
        is_power(rest, prime)
    })
}

/// Whether `rest` is a power of 65537 modulo `prime`.
fn is_power(rest: u64, prime: u64) -> bool {
    let mut power = 1;
    loop {
        if power == rest {
            return true;
        }
        power = power * 65_537 % prime;
        if power == 1 {
            return false;
        }
    }
}

fn is_prime(number: u64) -> bool {
    (2..number).all(|factor| !number.is_multiple_of(factor))
}

/// The chips use the primes up to this one for keys of 2048 bits, and more for longer ones.
const LARGEST_PRIME: u64 = 701;
