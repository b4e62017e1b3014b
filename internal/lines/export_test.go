package lines

// Cut is what ends a line that was cut.
const Cut = cut
