package cli

import "math/bits"

// verdict is what a check says of a state.
type verdict string

const (
	verdictGood verdict = "good"
	verdictBad  verdict = "bad"
	verdictSkip verdict = "skip" // it cannot be told
)

// bisect finds which of n changes made something bad: before the first it was
// good, after the last it is bad. It asks for the verdict on the state after some
// of them, at most ⌈log2 n⌉ and one more for each that is skipped. The culprit is
// one of first to last; they are the same unless states between them were skipped.
func bisect(n int, judge func(change int) (verdict, error)) (first, last int, err error) {
	good, bad := -1, n-1
	skipped := map[int]bool{}
	for inARow := uint(0); ; {
		next, ok := between(good, bad, inARow, skipped)
		if !ok {
			return good + 1, bad, nil
		}
		v, err := judge(next)
		if err != nil {
			return good + 1, bad, err
		}
		inARow++
		switch v {
		case verdictGood:
			good, inARow = next, 0
		case verdictBad:
			bad, inARow = next, 0
		case verdictSkip:
			skipped[next] = true
		}
	}
}

// between picks a change strictly between a good and a bad one: the middle, and
// after skips in a row places that are ever closer to each other (van der Corput:
// 1/2, 1/4, 3/4, 1/8 …), as what cannot be told often comes in clusters.
func between(good, bad int, skips uint, skipped map[int]bool) (int, bool) {
	share := float64(bits.Reverse64(uint64(skips+1))) / (1 << 64)
	near := min(max(good+int(float64(bad-good)*share), good+1), bad-1)
	for far := 0; near-far > good || near+far < bad; far++ {
		for _, at := range []int{near - far, near + far} {
			if good < at && at < bad && !skipped[at] {
				return at, true
			}
		}
	}
	return 0, false
}
