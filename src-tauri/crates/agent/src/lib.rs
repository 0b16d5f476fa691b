//! The embedded agent: a small A2A server with model providers and tools.
