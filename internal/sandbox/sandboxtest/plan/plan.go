// Package plan is what the agent of the conformance suite understands.
package plan

import "encoding/json"

// Plan is the bootstrap document of the suite's agent: steps to carry out one after the other. The
// agent ends with status 0 after the last.
type Plan struct {
	// Secret must be seen by nobody else.
	Secret string `json:"secret"`
	Steps  []Step `json:"steps"`
}

// Step is one thing to do.
type Step struct {
	Do     string `json:"do"`
	Number int    `json:"number,omitempty"`
	Text   string `json:"text,omitempty"`
}

// What a step can be. Lines that the agent prints are a word and a quoted string.
const (
	Echo     = "echo"     // print: bootstrap <document>
	Look     = "look"     // print what the agent was given: env, arg, dir, file (open ones); then looked
	Print    = "print"    // print a line of Number letters x
	Mumble   = "mumble"   // print "no end", and no end of line
	Complain = "complain" // print "on standard error" there
	Deaf     = "deaf"     // ignore signals that ask to end; print: deaf
	Leave    = "leave"    // leave a deaf process that has no parent and a session of its own; it prints: daemon <pid>
	Clutter  = "clutter"  // make files that are hard to remove
	Exit     = "exit"     // end with status Number
	Die      = "die"      // be killed
	Run      = "run"      // run the program at Text once it is there; print: ran <output>
	Write    = "write"    // overwrite the file at Text; print: write <error>
	Read     = "read"     // print: read <the first bytes of the file at Text>, or unread <error>
	Call     = "call"     // connect to the unix socket at Text and send a line; print: answer <line>, or unanswered <error>
	Dial     = "dial"     // connect to Text by TCP; print: dialed <error>
	Links    = "links"    // print: links <names of the network interfaces but for loopback, by spaces>
	Hoard    = "hoard"    // open files, at most Number, and close them; print: hoarded <number>
	Breed    = "breed"    // start processes, at most Number, and end them; print: bred <number>
	Fill     = "fill"     // write a file of Number MiB and remove it; print: filled <MiB>
	Eat      = "eat"      // use Number MiB of memory; print: ate
	Await    = "await"    // wait until there is a file at Text
	Say      = "say"      // print: said <Text>
	Flood    = "flood"    // print Number lines of 100 letters y, as nex-agent prints, and wait for nobody who reads them
	Obey     = "obey"     // carry out the steps that the socket at Text says, for ever: see Hello
	Later    = "later"    // carry out the step in Text, as JSON, when the connection of Obey is lost
	Hang     = "hang"     // print: pid <pid>, hang; and do nothing for ever
)

// Hello is the line that Obey begins each connection with. Then come lines with a Step each, which are
// answered by a line "done" or "failed: <error>". When the connection is lost another is made, as nex-agent makes
// another to the next node process.
type Hello struct {
	PID int `json:"pid"`
	// Token is of this very process, whose number may be the same as another's elsewhere.
	Token string `json:"token"`
}

// Bare as Text of Leave clears the environment of the process as well.
const Bare = "bare"

// Do is a step without operands.
func Do(what string) Step { return Step{Do: what} }

// Number is a step with a number.
func Number(what string, n int) Step { return Step{Do: what, Number: n} }

// Text is a step with a text.
func Text(what, text string) Step { return Step{Do: what, Text: text} }

// After is a step to be carried out when the connection of Obey is lost.
func After(s Step) Step {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	return Text(Later, string(b))
}

// Encode makes a bootstrap document.
func (p Plan) Encode() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	return b
}
