// Package smp speaks Service Mesh Performance: it reads test and result files,
// makes studies of the one and figures of the other, writes results as the
// official messages, and computes the MeshMark index.
//
// Read takes YAML or JSON by the descriptors of the official messages
// (github.com/layer5io/service-mesh-performance, package spec), strictly, with
// file, line and column in every error. Write gives the one normal form: what
// Write wrote, Read and Write give again byte for byte. Study writes a test as
// a study file, Export a Report as messages, Meshmark its index. It starts
// nothing and fetches nothing. docs/formats/smp.md and
// docs/formats/meshmark.md describe the files.
package smp
