// Package meter rewrites a WebAssembly module so that its code asks, every so
// often, whether it may go on.
//
// An added global counts down what the code does. Each function's beginning, and
// the head of a loop each 16th time, takes off what may be executed before the
// next such place; when the count falls below zero, an added import is called,
// whose result is the new count. The import may look at a clock, let others run,
// or unwind the guest. Between two calls of it lies a bounded number of
// instructions, whatever the code does: filling and copying memory count by
// their size, growing it counts much, and tables are kept below a limit.
//
// One import more moves the indices of the functions behind it: in calls,
// exports, elements, initial values and the start. Custom sections, names among
// them, are dropped.
//
// It reads modules of WebAssembly 2.0 (with SIMD); what lies beyond is refused by
// name. It does not check types: the engine does that after it.
package meter
