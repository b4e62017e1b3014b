// Hello says how it runs: its arguments, its user, its directory and one variable.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	dir, err := os.Getwd()
	if err != nil {
		dir = err.Error()
	}
	groups, _ := os.Getgroups()
	fmt.Println(strings.Join(os.Args, " "), os.Getuid(), os.Getgid(), groups, dir, os.Getenv("GREETING"))
}
