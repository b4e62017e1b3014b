// Package logpump turns what a program writes into log records, and never makes the program wait.
//
// A [Pump] reads the program's streams, cuts them into lines ([Split]) and hands batches of records
// to a function that sends them on. Reading and sending are apart: between them is a queue of
// bounded size, so a receiver that is slow or gone costs records, not memory, and not the program's
// time. Besides, a program that writes more than [LinesPerSecond] or [BytesPerSecond] for longer
// than the bursts last loses the excess, so that one workload cannot take the whole link.
//
// What was dropped is a record itself, of stream nex.StreamNex and level warn, at least once every
// [ReportEvery] while records are being dropped and once more at the end.
package logpump
