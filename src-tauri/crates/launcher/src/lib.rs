//! Where agents run: the Launcher trait and the local child-process launcher.
