// Package faults breaks things on purpose, for tests: a disk that loses its
// power or fills up, a byte that flips. It is linked into tests only.
package faults
