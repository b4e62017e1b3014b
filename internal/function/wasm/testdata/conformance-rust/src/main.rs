//! The guests as a command.

mod guests;

fn main() {
    nex_guest::run(guests::handle);
}
