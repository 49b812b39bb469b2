package cli

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

func TestBisectFindsTheCulpritInAsManyRunsAsThereAreBits(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 100, 127, 128, 129, 10_000} {
		most, step := int(math.Ceil(math.Log2(float64(n)))), max(1, n/97)
		for culprit := 0; culprit < n; culprit += step {
			runs := 0
			first, last, err := bisect(n, func(change int) (verdict, error) {
				runs++
				if change >= culprit {
					return verdictBad, nil
				}
				return verdictGood, nil
			})
			if err != nil || first != culprit || last != culprit || runs > most {
				t.Fatalf("of %d changes %d is the culprit: found %d to %d in %d runs, want at most %d; %v", n, culprit, first, last, runs, most, err)
			}
		}
	}
}

func TestBisectSkipsWhatCannotBeTold(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		n := 1 + random.IntN(200)
		culprit := random.IntN(n)
		untold, density := map[int]bool{}, random.Float64()
		for i := range n {
			untold[i] = random.Float64() < density
		}
		asked := map[int]int{}
		first, last, err := bisect(n, func(change int) (verdict, error) {
			asked[change]++
			switch {
			case change < 0 || change >= n-1 || asked[change] > 1:
				t.Fatalf("asked about %d of %d, %d times", change, n, asked[change])
			case untold[change]:
				return verdictSkip, nil
			case change >= culprit:
				return verdictBad, nil
			}
			return verdictGood, nil
		})
		// The suspects are what lies between the last state known to be good and the
		// first known to be bad.
		wantFirst, wantLast := culprit, culprit
		for wantFirst > 0 && untold[wantFirst-1] {
			wantFirst--
		}
		for wantLast < n-1 && untold[wantLast] {
			wantLast++
		}
		if err != nil || first != wantFirst || last != wantLast {
			t.Fatalf("of %d changes %d is the culprit: suspects %d to %d, want %d to %d; %v", n, culprit, first, last, wantFirst, wantLast, err)
		}
	}
}

// A cluster of states that cannot be told costs few runs.
func TestBisectLeavesAClusterBehind(t *testing.T) {
	runs := 0
	first, last, err := bisect(10_000, func(change int) (verdict, error) {
		runs++
		switch {
		case change > 2000 && change < 8000:
			return verdictSkip, nil
		case change >= 9000:
			return verdictBad, nil
		}
		return verdictGood, nil
	})
	if err != nil || first != 9000 || last != 9000 || runs > 25 {
		t.Errorf("found %d to %d in %d runs, %v", first, last, runs, err)
	}
}

func TestBisectEndsWithTheCheck(t *testing.T) {
	broken := errors.New("broken")
	if _, _, err := bisect(10, func(int) (verdict, error) { return "", broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}
