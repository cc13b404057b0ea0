// Package comparison compares kept results with each other, and turns verdicts
// into a gate.
//
// Compare holds a new result against an old one: each treatment's own figures,
// and the difference from its in-run baseline against that same difference of
// the old run, in which what happened to the host between the two cancels. The
// blocks of two runs do not pair, so intervals are those of independent runs.
// What differs between the two is always listed; where it makes them
// incomparable, Compare refuses unless it is forced, and stamps the answer.
// InRun and Against make the cases of a Gate, which fails on *material, worse*
// and nothing else. Trace follows one study over its results and names where
// they stop being comparable and where their level changed.
//
// It measures nothing, reads no store and judges by no rule of its own: figures
// come from package experiment, intervals and verdicts from package stat. The
// formats are in docs/formats/comparison.md.
package comparison
