//! Makes sure the folder of the built canvas exists, and runs Tauri's own build step for the window.

use std::{fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=src-tauri/build.rs");
    println!("cargo:rerun-if-changed=ui/dist");
    let dist = Path::new("ui/dist");
    if !dist.join("index.html").exists() {
        // A server without the canvas is still a server: say how to get it instead of failing the build.
        let page = "<!doctype html><title>Molecule</title><p>The canvas is not built yet. Run <code>make ui</code>, then build again.</p>";
        if fs::create_dir_all(dist).and_then(|()| fs::write(dist.join("index.html"), page)).is_err() {
            println!("cargo:warning=ui/dist could not be created");
        }
    }
    #[cfg(feature = "desktop")]
    if let Err(error) = tauri_build::try_build(
        tauri_build::Attributes::new().capabilities_path_pattern("./src-tauri/capabilities/**/*"),
    ) {
        println!("cargo:warning=tauri-build: {error}");
        std::process::exit(1);
    }
}
