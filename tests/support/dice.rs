//! Numbers that a printed seed makes again.

/// Where `SEED` is set, the same numbers as in the run that printed it.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Says on the console how to roll the same numbers again.
    pub fn new() -> Self {
        let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) | 1);
        println!("seed {seed} (set SEED to run it again)");
        Self(seed)
    }

    /// 0 up to `most`, which is not reached.
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}
