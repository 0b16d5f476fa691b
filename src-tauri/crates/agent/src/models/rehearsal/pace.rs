//! Saying a text word by word.

use std::time::Duration;

use tokio::time::sleep;

use crate::models::Voice;

/// Screens need no more updates a second than this.
const TICKS_PER_SECOND: u32 = 50;

/// Says `text` at `words_per_second`; 0 says it at once.
pub(super) async fn speak(text: &str, words_per_second: u32, voice: &dyn Voice) {
    if words_per_second == 0 {
        return voice.say(text);
    }
    let ticks = words_per_second.min(TICKS_PER_SECOND);
    let pause = Duration::from_secs(1) / ticks;
    let words_per_tick = words_per_second.div_ceil(ticks) as usize;
    let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    for (at, few) in words.chunks(words_per_tick).enumerate() {
        if at > 0 {
            sleep(pause).await;
        }
        voice.say(&few.concat());
    }
}
