package report

// Outcomes is what became of all requests that a treatment was offered in the
// phases of one kind: all of them first, then each class of outcome.
type Outcomes struct {
	Phase   string         `json:"phase"` // latency, enforce
	Classes []ClassFigures `json:"classes"`
}

// ClassFigures is one class of outcome.
type ClassFigures struct {
	Class string  `json:"class"` // all: every request offered
	Count int     `json:"count"`
	Share float64 `json:"share"` // of all requests offered
	// Over the requests that were answered, whatever the answer; null with too few.
	P50 *float64 `json:"p50_us"`
	P90 *float64 `json:"p90_us"`
	// Of the means over blocks; null where not every block has its own figure.
	P50Interval *Interval `json:"p50_interval"`
	P90Interval *Interval `json:"p90_interval"`
	Why         string    `json:"why,omitempty"` // of what is null
}
