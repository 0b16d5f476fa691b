//! The shipped templates are in the binary: an edited, added or removed file builds it anew.

fn main() {
    println!("cargo:rerun-if-changed=../../../templates");
    println!("cargo:rerun-if-changed=build.rs");
}
