// Package bench measures what users wait for and what a node costs, with the real programs. It has
// benchmarks only: "make bench" runs them and prints the figures, medians unless they say otherwise.
package bench
