package main

import (
	"fmt"
	"os"
	"os/exec"
)

// What the agent can take of the machine.

func hoard(most int) {
	var open []*os.File
	for len(open) < most {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		open = append(open, f)
	}
	for _, f := range open {
		f.Close()
	}
	say("hoarded", fmt.Sprint(len(open)))
}

func breed(most int) {
	exe, err := os.Executable()
	if err != nil {
		say("error", err.Error())
		return
	}
	var children []*exec.Cmd
	for len(children) < most {
		cmd := exec.Command(exe, "child")
		if cmd.Start() != nil {
			break
		}
		children = append(children, cmd)
	}
	for _, c := range children {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
	}
	say("bred", fmt.Sprint(len(children)))
}

func fill(most int) {
	const name = "filler"
	f, err := os.Create(name)
	if err != nil {
		say("error", err.Error())
		return
	}
	defer os.Remove(name)
	defer f.Close()
	block := make([]byte, 1<<20)
	written := 0
	for ; written < most; written++ {
		if _, err := f.Write(block); err != nil {
			break
		}
	}
	say("filled", fmt.Sprint(written))
}

// eaten keeps what was eaten.
var eaten [][]byte

func eat(most int) {
	for range most {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		eaten = append(eaten, block)
	}
	say("ate", "")
}
