// Package loadreport makes one load's samples into an answer: how long requests
// took, what became of them, whether the generator can be believed, and whether
// the user's conditions hold.
//
// A [Collector] takes samples in pieces, as a generator hands them out
// (load.Sink), and keeps the times of each class of outcome and each kind of
// request. Report makes a [Result] of them: quantiles with intervals where the
// samples support them (stat.Supported) and null with the reason where they do
// not; outcomes counted and timed apart; a timeline; and checks of the generator
// by itself, each with its figure and its limit. A response counts from the
// intended time, and a request that was never answered counts as one that never
// ends, so that a quantile beyond the answered share is null instead of
// flattering. Intervals are those of this run: its requests, not its starts, are
// the replicates, with the spread between stretches of the run taken into
// account (stat.Overdispersion), and another start may differ by more.
//
// [ParseConditions] reads what a user demands ("p99<5ms,errors<0.1%"); a Result
// says of each whether it was met, missed or cannot be told. Text, JSON, CSV and
// HTML print the same Result.
//
// The package offers no load, opens no connection and compares no two results.
package loadreport
