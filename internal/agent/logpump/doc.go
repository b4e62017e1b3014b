// Package logpump turns what a program writes into log records, and never makes the program wait.
//
// A [Pump] reads the program's streams, cuts them into lines ([Split]) and sends batches of records
// over a [Link]. Reading and sending are apart: between them is a queue of bounded size, so a receiver
// that is slow or gone costs records, not memory, and not the program's time. Besides, a program that
// writes more than [LinesPerSecond] or [BytesPerSecond] for longer than the bursts last loses the excess,
// so that one workload cannot take the whole link.
//
// A record stays in the queue until the receiver has said that it need not be kept: what was sent over a
// link that is lost is sent again over the next one, in order, and before what is newer. The last records
// that were heard are kept, too: the next link begins with them, as its history.
//
// What was dropped is a record itself, of stream nex.StreamNex and level warn, at least once every
// [ReportEvery] while records are being dropped and there is room for it, and once more at the end.
package logpump
