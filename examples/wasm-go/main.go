// Command wasm-go is a function for Nex as a WASI command: the message's subject is the first
// argument, its payload is standard input, and what goes to standard output is the reply.
//
//	GOOS=wasip1 GOARCH=wasm go build -o echo.wasm ./examples/wasm-go
package main

import (
	"io"
	"log"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("the first argument is the subject of the message")
	}
	if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
		log.Fatal(err)
	}
	if _, err := os.Stdout.WriteString(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
