fn main() {
    nex_guest::run(reactor::handle);
}
