// Package setup makes of a node's settings what microVMs are run with: the program that runs them, and the initial
// RAM disk of their kernel. The node does with that what it runs, and its preflight only tries it.
package setup
