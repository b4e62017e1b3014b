package functiontest

// Guest names a program that the runtime under test runs, by what it does when it is called.
type Guest string

// The guests. Those that do harm reply with the payload and do nothing else when it is [Well], so
// that a call after the harm can be seen to succeed.
const (
	Echo     Guest = "echo"    // replies with the payload
	Subjects Guest = "subject" // replies with the subject
	Headers  Guest = "headers" // replies with the call's headers as headers, and an empty payload
	Env      Guest = "env"     // replies with the value of the variable NEX_TEST, empty if there is none
	Large    Guest = "large"   // replies with as many bytes as the payload, a decimal number, says
	Log      Guest = "log"     // prints the payload as a line to standard output, then to standard error

	Fail    Guest = "fail"    // fails with status 404 and the message "no such thing"; does harm
	Throw   Guest = "throw"   // throws an exception, or traps; does harm
	Endless Guest = "endless" // prints the line "begun" and then never ends and never waits; does harm
	Grab    Guest = "grab"    // takes memory, uses it, and keeps it, without end; does harm

	Host      Guest = "host"       // kv set of the payload as key "answer"; replies with kv get of it
	AwaitHost Guest = "await_host" // replies with kv get of the key that the payload names
	HostError Guest = "host_error" // kv get of the key that the payload names; replies with the error's code
	State     Guest = "state"      // replies with how many calls its own memory has seen, in decimal
)

// Well is the payload at which guests that do harm do none.
const Well = "well"

// begun is the line that Endless prints.
const begun = "begun"
