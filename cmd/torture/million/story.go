package million

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"confman/cmd/internal/formats"
)

// change is what happens to one key; without a value it is deleted.
type change struct {
	key   string
	value jsontext.Value
}

// chapter is what one change set of the repository did to its flattened files.
type chapter struct {
	author  string
	changes []change
}

// story is the chapters and what they end with.
type story struct {
	chapters []chapter
	end      []change // by key
}

// readStory reads the change sets of a repository, a JSON object a line.
func readStory(path string) (story, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return story{}, fmt.Errorf("read the story: %w", err)
	}
	files := map[string]map[string]jsontext.Value{} // path → key → value
	var s story
	var before map[string]jsontext.Value
	for line := range strings.Lines(string(text)) {
		var set struct {
			Author  string
			Changes []struct {
				Path    string
				Content *string
			}
		}
		if err := json.Unmarshal([]byte(line), &set); err != nil {
			return story{}, fmt.Errorf("read the story %s: %w", path, err)
		}
		for _, c := range set.Changes {
			delete(files, c.Path)
			if c.Content != nil {
				files[c.Path] = leaves(c.Path, *c.Content)
			}
		}
		state := map[string]jsontext.Value{}
		for _, f := range files {
			maps.Copy(state, f)
		}
		s.chapters = append(s.chapters, chapter{set.Author, difference(before, state)})
		before = state
	}
	if len(before) == 0 {
		return story{}, fmt.Errorf("read the story %s: it ends with nothing", path)
	}
	s.end = difference(nil, before)
	return s, nil
}

// after is a chapter after the last: some of the properties are set anew, by one
// who had a part in the story.
func (s story) after(rng *rand.Rand, number int) chapter {
	c := chapter{author: s.chapters[rng.IntN(len(s.chapters))].author}
	for _, i := range rng.Perm(len(s.end))[:1+rng.IntN(12)] {
		was := s.end[i]
		value := strconv.AppendInt(nil, int64(number), 10)
		if was.value.Kind() == '"' {
			value = fmt.Appendf(nil, "%s #%d\"", was.value[:len(was.value)-1], number)
		}
		c.changes = append(c.changes, change{was.key, value})
	}
	return c
}

// leaves are the properties of a file; one that cannot be flattened, such as
// several documents in one, is a single value.
func leaves(path, content string) map[string]jsontext.Value {
	all := map[string]jsontext.Value{}
	if format, ok := formats.FormatOf(path); ok {
		if entries, err := formats.Flatten(path, format, []byte(content)); err == nil {
			for _, e := range entries {
				all[path+"/"+e.Key] = jsontext.Value(e.Value)
			}
			return all
		}
	}
	whole, err := json.Marshal(content)
	if err != nil {
		panic(err) // a string can be encoded
	}
	all[path] = whole
	return all
}

// difference is what makes one state of another, in the order of keys.
func difference(before, after map[string]jsontext.Value) (changes []change) {
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if string(before[key]) != string(after[key]) {
			changes = append(changes, change{key, after[key]})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[key]; !stays {
			changes = append(changes, change{key: key})
		}
	}
	return changes
}
