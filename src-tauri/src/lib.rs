//! Molecule Desktop: the command line and the window around the platform server.
