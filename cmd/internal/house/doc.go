// Package house holds the tests that keep the plan of the house: which floor may
// import which, what the pure ones never touch, and the versions of the
// libraries that must not drift. It has no code of its own.
package house
