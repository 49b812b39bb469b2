package api

import (
	"unicode"
	"unicode/utf8"
)

// needle is a word that is looked for whatever its case: by Unicode's simple
// folding, so that K, k and the Kelvin sign are the same letter. It looks at each
// byte of a text about once, however often the word begins there (Knuth, Morris,
// Pratt: Fast pattern matching in strings, 1977).
type needle struct {
	folded []rune
	back   []int     // how much of the word still stands when what follows so much of it does not
	begins [256]bool // the bytes with which a place may begin
}

func newNeedle(word string) *needle {
	n := &needle{}
	for _, r := range word {
		n.folded = append(n.folded, fold(r))
	}
	n.back = make([]int, len(n.folded))
	for i := 1; i < len(n.folded); i++ {
		n.back[i] = n.step(n.back[i-1], n.folded[i])
	}
	first := n.folded[0]
	n.begin(first)
	for r := unicode.SimpleFold(first); r != first; r = unicode.SimpleFold(r) {
		n.begin(r)
	}
	return n
}

func (n *needle) begin(r rune) {
	var encoded [utf8.UTFMax]byte
	utf8.EncodeRune(encoded[:], r)
	n.begins[encoded[0]] = true
}

// step is how many letters of the word stand after another letter of a text, when
// so many stood before it.
func (n *needle) step(stand int, r rune) int {
	for stand > 0 && n.folded[stand] != r {
		stand = n.back[stand-1]
	}
	if n.folded[stand] == r {
		stand++
	}
	return stand
}

// in is where the word first is in a text, a byte offset; -1: nowhere.
func (n *needle) in(text []byte) int {
	for i, stand := 0, 0; i < len(text); {
		if stand == 0 && !n.begins[text[i]] {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		i += size
		if stand = n.step(stand, fold(r)); stand == len(n.folded) {
			for ; stand > 0; stand-- {
				_, size = utf8.DecodeLastRune(text[:i])
				i -= size
			}
			return i
		}
	}
	return -1
}

// fold is the same for all that differ in case only: the least of them, and of
// letters of ASCII the small one.
func fold(r rune) rune {
	if r >= utf8.RuneSelf {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		r = least
	}
	if 'A' <= r && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}
