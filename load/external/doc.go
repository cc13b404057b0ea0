// Package external runs the load generators of others, so that tare load
// compare can put what they say beside what ours says.
//
// There is one file for each tool. It says which names the program goes by, how
// it is had, which arguments make its defaults and which make it as exact as it
// can be, and how its words are read: as JSON or CSV where the tool has it, and
// from its own times of single requests where it gives them. What a tool does
// not say stays missing. Every run is a child that cannot outlive tare; its CPU
// time is measured here, from start to end. Scripts and logs are files in memory
// that the child inherits, so nothing is left on disk.
//
// A tool is looked for on PATH by its own name. One that is not there is an
// error with the command that installs it.
//
// Seven of them are run by the tests (package loadtest), against servers with
// known delays. wrk2 and nighthawk are published as sources only, no registry has
// them, and no test runs them: wrk2 is read by output that it once wrote,
// nighthawk by the form that its documentation gives. Their settings and their
// accounts say so.
//
// # What it does not do
//
// It asks for nothing but GET requests of HTTP/1.1 in the clear, since not every
// tool can more. It corrects no figure of a tool, and it does not judge them:
// see tare load compare.
package external
