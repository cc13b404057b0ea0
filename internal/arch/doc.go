// Package arch holds the house plan of this module as rules over its files.
//
// Load reads a tree (any fs.FS) and parses its Go files with go/parser; each
// Rule is a function from a Tree to Findings; the tables that the rules read
// (layers, homes of dependencies, banned names) are data in table.go. The
// test of this package runs every rule over the working tree, and every rule
// over small trees in memory that each break it once.
//
// It asks no child process: the test cache knows the files that a test opens,
// and not what a child of it read. It knows syntax, not types: an import under
// another name is seen through, a function passed as a value is not.
package arch
