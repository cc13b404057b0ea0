// Package stat turns block values into estimates, intervals and verdicts, with
// the corrections that make them true.
//
// Everything is a pure function of its arguments: the same values and the same
// seed give the same answer, bit for bit. The replicate is the block (every
// process started afresh), never the request: within a block treatments are
// paired, across blocks the interval is taken. [Compare] does the whole of it
// for a family of comparisons: block differences, [Simultaneous] intervals,
// ratios, [Judge] against the margin, warnings. Around it stand the A/A [Gate],
// the stopping [Rule], the ratio of two differences
// ([RatioOfDifferences]), the planner ([Blocks], [MinimumDetectable]), the
// [VoidRule], and [Rejections], which holds the apparatus to its own level.
//
// What is not one treatment against another becomes a series over the same
// blocks and goes the same way: [Effects] and [Shapley] of factors as pairs,
// [Slope] over a number and the [Order] of starting as they are. [ShiftFunction] is a
// family over quantiles; [Independent] compares two runs; [FindKnee] gives the
// greatest rate that meets an objective. [Drift], [MSER5] and [ChangePoints] only
// warn, and [FitUSL] is for display.
//
// Units: a value has the unit of the numbers given (µs for p50, µs of CPU per
// request …) and the package never converts. Lower is better throughout.
//
// It does not read samples or clocks, does not print, draws no figures, and
// gives no p-values: an interval and the verdict on it are the same statement.
// The results of its coverage simulations stand in testdata/coverage.md.
package stat
