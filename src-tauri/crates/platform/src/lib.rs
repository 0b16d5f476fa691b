//! The platform server: its services, one folder per capability, and their HTTP face.
