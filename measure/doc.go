// Package measure reads what processes and the host used: CPU time, waiting
// for a CPU, memory, and what the host is.
//
// CPU time is the process's own CPU clock, in nanoseconds; waiting is the
// run-queue time of its threads; memory is what it alone holds, which does not
// change when identical processes are started beside it. Everything is read
// from the kernel at the moment of the call: a figure over time is the
// difference of two readings. Noise measures how late this host wakes a
// sleeping thread.
//
// It keeps no series, starts no goroutine, and knows Linux only. It does not
// follow children: each process is read on its own.
package measure
