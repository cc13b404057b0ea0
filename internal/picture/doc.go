// Package picture draws charts as inline SVG without script.
//
// A [Figure] is a picture under way, a [Scale] places values on it. Sizes are in
// units of about a pixel; colours and type are those of the page's style, by
// classes, so that one picture serves light, dark and paper. Every picture has a
// title and a description. The package knows no data: what is drawn is the
// business of its callers.
package picture
