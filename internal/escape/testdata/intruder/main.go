//go:build linux

// Command intruder is the workload of the escape tests. It attacks what is around it in the way that its
// arguments say:
//
//	serve               wait for attacks, which come as requests over NATS (see serve.go)
//	read PATH…          read files of the host, under all names that might lead there
//	write PATH…         change them
//	link PATH…          make hard links to them
//	litter DIR…         make files in directories of the host
//	process PID…        read, trace and signal other processes
//	become              become another user
//	search              look for credentials and sockets in all files
//	privileged DIR      what root may do; it uses a directory that is there
//	kernel              what nobody may do from within a sandbox
//	devices             open devices, and files by which the kernel is changed
//	system              change the files that are the same in all sandboxes
//	set-user-id FILE…   gain rights by programs that have the bit, and by one that it makes
//	confined ATTACK…    the same from within a user namespace, as root there
//	lift                lift the own bounds by control groups
//	dial ADDRESS…       connect to addresses such as tcp4/127.0.0.1:80
//	spoof ADDRESS…      send from addresses that are not one's own
//	control URL PUBLIC [SEED]  reach the control account of a NATS server, whose user has the public key
//	bus URL CREDENTIALS ATTEMPT…  hear, and be heard, where one has no business (see bus.go)
//	member URL CREDENTIALS ATTEMPT…  the same, by somebody who may
//	internal URL PUBLIC SOCKET…  get in at a node's internal server, and at the sockets of its agents
//	exhaust WHAT…       take all that there is (see exhaust.go)
//
// Each attempt is a line, "refused: …" or "ESCAPED: …", and the last line is "done: " and the number of
// attempts. What lies between is said in notes.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

var attacks = map[string]func(*report, []string){
	"read": read, "write": write, "link": link, "litter": litter,
	"process": processes, "become": become, "search": search,
	"privileged": privileged, "kernel": kernel, "devices": devices, "system": system, "set-user-id": setUserID, "confined": confined, "lift": lift,
	"dial": dial, "spoof": spoof, "control": control, "bus": bus, "member": member, "internal": internal,
	"exhaust": exhaust,
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "intruder: no attack is named")
		os.Exit(2)
	}
	name, args := os.Args[1], os.Args[2:]
	switch name {
	case "serve":
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, "intruder:", err)
			os.Exit(1)
		}
		return
	case "whoami": // what a program with the set-user-id bit is asked
		fmt.Println(whoami())
		return
	case "idle", "victim": // one of many, and one for others
		time.Sleep(time.Hour)
		return
	}
	attack, ok := attacks[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "intruder: there is no attack %q\n", name)
		os.Exit(2)
	}
	runtime.LockOSThread() // some attempts change the thread
	var r report
	attack(&r, args)
	fmt.Println("done:", r.attempts)
}

// initVariable names the process that stands for the first one, which the agent is in a sandbox. The controls
// have another: theirs is out of bounds.
const initVariable = "INTRUDER_INIT"

// initPath is a path below the directory of that process.
func initPath(path string) string {
	pid, err := strconv.Atoi(os.Getenv(initVariable))
	if err != nil {
		pid = 1
	}
	return fmt.Sprintf("/proc/%d/%s", pid, path)
}

// report is what comes of an attack.
type report struct{ attempts int }

// attempt tells of one, which has succeeded if err is nil.
func (r *report) attempt(name string, err error) {
	r.attempts++
	if err == nil {
		fmt.Println("ESCAPED:", name)
		return
	}
	fmt.Printf("refused: %s: %v\n", name, err)
}

// note says what is neither.
func (r *report) note(format string, args ...any) { fmt.Printf("note: "+format+"\n", args...) }

func first[T any](_ T, err error) error { return err }
