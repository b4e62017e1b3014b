// Package javascript runs functions that are written in JavaScript, on V8.
//
// # The artifact
//
// A function is one file. It is a classic script whose value, that of its last expression, is the
// function, or an ES module without imports whose default export is the function; the command nex
// devrun makes one file of many. The function is called as
//
//	(subject: string, payload: Uint8Array, context: {headers, subject, id, deadline}) => result
//
// with this as the global object. A class or a generator function is refused, because neither has a
// result that is a reply. The payload is the function's own. The headers of the context are an object
// of arrays of strings by name, and its deadline is in milliseconds since the epoch.
//
// # Results
//
// An ArrayBuffer, a typed array or a DataView is sent as its bytes, a string as UTF-8, undefined and
// null as nothing, an object with no other properties than data and headers as the reply's content
// and headers, where a header is a string or an array of strings, and all else as JSON. A promise is
// awaited. What the function throws becomes an error whose status is the exception's property code, if
// that is an integer of 400 to 599.
//
// # Globals
//
// Besides the language there are console, whose text becomes the log; setTimeout, setInterval,
// queueMicrotask and performance.now; env and process.env, which hold the function's environment;
// hostServices, whose methods wait, with the same methods as promises in hostServices.promises, and
// HostServiceError, which they throw; and the web's own, which the files web*.js list. What a timer or a
// microtask throws goes to the log. V8 does not tell of rejected promises that nobody waits for, so
// these are not logged.
//
// # Isolates
//
// Calls run in isolates, V8's virtual machines, of which there are as many as calls run at one time,
// at most Config.Concurrency, each made when it is first needed. Each has loaded the file itself, so
// that what the file keeps in variables is kept per isolate. An isolate is used for many calls and is
// replaced when one was stopped, or has left behind more than half of the memory it may have: state
// in variables is a cache at best. What a call leaves behind otherwise, timers and requests, is
// dropped when its result is there.
//
// Config.MemoryBytes bounds V8's heap; less than [MinMemoryBytes] counts as that. The content of
// ArrayBuffers and the memory of WebAssembly are outside of the heap: they count when a call has
// ended, but only a limit on the process bounds what one call takes of them. Such a limit is needed for
// another reason, too: V8 ends the process when it finds no memory for a single object.
//
// V8 stops a script at its loops, calls, and within regular expressions, and not within most built-in
// functions. One that runs for longer than function.StopWithin, such as an indexOf in 2⁵³ places, makes
// the call fail with function.ErrStuck.
package javascript
