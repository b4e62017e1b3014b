package nextest

// Race says whether the test looks for data races, which makes everything slow.
const Race = raceEnabled
