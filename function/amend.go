package function

// Amender is an Exchange in which the head of what a filter answers by itself can
// be changed.
type Amender interface {
	Exchange
	// Amend changes the head of the answer that Reply gives, after the route has
	// changed it and before any other filter sees it.
	Amend(change func(Response))
}
