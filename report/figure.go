package report

import "github.com/taremesh/tare/internal/picture"

// figure is a picture under way, with what only reports draw.
type figure struct{ picture.Figure }

func newFigure(width, height float64) *figure {
	return &figure{picture.Figure{Width: width, Height: height}}
}
