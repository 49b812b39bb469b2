// Package plant puts known bugs into the nodes, to see that torture finds them. A
// [Bug] is a text of the product, or of a library that it stands on, that is
// replaced by a wrong one while the binary is built: by go build -overlay, or by a
// go.mod that names a copy of the library. No file of the product is touched. Each
// says what it breaks and what shows it; a test holds that each still fits and
// builds.
package plant
