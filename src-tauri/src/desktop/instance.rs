//! One window per data directory: a second start only brings the first one forward.

use std::path::Path;

use tauri::{Wry, plugin::TauriPlugin};

use super::window;

/// The name under which the window of the default data directory is known on the session's bus.
const BUS_NAME: &str = "dev.molecule.desktop";

/// The plugin that ends this process when another one already shows this data directory.
pub(super) fn plugin(home: &Path) -> TauriPlugin<Wry> {
    tauri_plugin_single_instance::Builder::new()
        .callback(|app, _arguments, _folder| window::show(app))
        .dbus_id(bus_name(home))
        .build()
}

/// A bus name of its own for each data directory, so that a trial run in a temporary folder does not
/// merely raise the window of the installed app.
fn bus_name(home: &Path) -> String {
    // FNV-1a, 64 bits: short, the same in every build, and nothing here is secret.
    let hash = home
        .to_string_lossy()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{BUS_NAME}.h{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_data_directory_has_a_bus_name_of_its_own() {
        let mine = bus_name(Path::new("/home/ada/.local/share/molecule"));
        assert_eq!(mine, bus_name(Path::new("/home/ada/.local/share/molecule")));
        assert_ne!(mine, bus_name(Path::new("/tmp/trial")));
        // D-Bus: elements of letters, digits, `_` and `-`, none starting with a digit.
        assert!(mine.split('.').all(|part| part.starts_with(|c: char| c.is_ascii_alphabetic())));
    }
}
