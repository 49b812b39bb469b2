package settings

import (
	"fmt"
	"strings"
)

// suggest returns the end of a sentence that complains about name: the known name nearest to it in the given form, or
// nothing when none is near.
func suggest(name string, known []string, form func(string) string) string {
	name = strings.ReplaceAll(flagForm(name), ".", "-")
	best, least := "", (len(name)+2)/3
	for _, candidate := range known {
		if d := editDistance(name, candidate); d <= least {
			best, least = candidate, d-1 // of equals, the first
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", form(best))
}

// editDistance counts the letters to insert, drop or replace to make b of a (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
