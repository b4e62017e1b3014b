// Package deptest holds the rules about this module's source that no compiler checks, as tests.
//
//   - Which package may import which, each with its reason: rules_test.go. What a rule is and how it
//     is checked: graph_test.go. The picture of the same is in ARCHITECTURE.md; change them together.
//   - What a source file may look like: who may print and exit, how long a file may be, which
//     package names say nothing: source_test.go.
//
// There is nothing here to import.
package deptest
