// Package spool keeps the samples of one load in bounded memory, and computes
// exact quantiles of them.
//
// A [Spool] takes samples as a generator hands them out (Add is a load.Sink's
// Samples). The first of them stay in memory, up to a number; those after them
// go to a file without a name, up to a number of bytes, in sets of the format
// tare-samples/3, so that each is read back with its checksum. What comes
// beyond the file is only counted, in histograms of 3 significant digits
// (HdrHistogram), one for each kind of time and for each class of outcome and
// kind of request. Kept says which of memory, disk and sketch holds, and why.
//
// Each replays what is kept, in order. Times gives quantiles that are equal,
// to the nanosecond, to those of sorting every time. It sorts nothing: the
// histograms, which count while samples come, say in which narrow range each
// wanted order statistic lies; the samples are then replayed, and those within
// the ranges are counted by nanosecond, or once more by narrower ranges. So it
// costs one replay, or two where times are long, and memory that does not
// depend on the number of samples. Only when some are in histograms alone are
// quantiles those of the histograms, within 0.1 %, and Times says so.
//
// A disk that is full is an error of Add that says what to do. Nothing that
// was taken before is lost by it.
//
// The package merges nothing, knows no schedule, and decides nothing about
// which quantiles the samples support: see stat.Supported.
package spool
