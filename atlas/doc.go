// Package atlas maps the functions: in which form each runs where, what each
// form can do there, and what it costs.
//
// Catalogue lists every function with its forms, planes and sites, and the
// reason for each that is not there; a Page describes one of them. It runs
// nothing and decides nothing: what it lists is what functions and placements
// say of themselves, and tests of package functiontest hold them to it.
package atlas
