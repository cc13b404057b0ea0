package store

// Sum is the checksum of rows, for tests that forge them.
var Sum = sum
