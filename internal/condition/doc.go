// Package condition reads the little language of bounds: "p99<5ms,errors<0.1%".
//
// Conditions are joined by commas. Each is a figure, a sign and a bound with its
// unit. Quantiles of times are figures everywhere; what others there are, and
// whether bounds from below can be written, a Language says: an objective of a
// study has one, and what a user demands of a load another. Errors quote the
// condition that they are about and say what to write.
//
// # What it does not do
//
// It holds nothing against a condition, and knows no limits of its own: whose
// language it is refuses what it cannot decide.
package condition
