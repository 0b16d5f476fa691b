//! The A2A protocol: v0.3 and v1 shapes, normaliser, cards, JSON-RPC, server-sent events, a client.
