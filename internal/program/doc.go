// Package program looks at a file before anybody runs it: what it is, which system it is for, and
// whether it can run there. [Check] refuses with one sentence that says what to do instead.
//
// Files come from outside. Nothing here trusts an offset or a length in them: each read is bounded,
// no read is larger than a few kilobytes, and no input makes it panic. The functions keep no state
// and are safe for concurrent use.
package program
