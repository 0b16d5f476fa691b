//! Secrets: the OS keychain, and a sealed file where there is none.
