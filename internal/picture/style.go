package picture

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
)

//go:embed page.css
var pageStyle string

// Style is the style of a page with pictures: light and dark as the reader's
// system is, and for paper.
func Style() string { return pageStyle }

// StyleHash is what a content security policy lets in of a style.
func StyleHash(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
