//! The guests as a reactor.

mod guests;

nex_guest::handler!(guests::handle);
