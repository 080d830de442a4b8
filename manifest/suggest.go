package manifest

// nearest is the word of words that name is most likely a misspelling of, or
// "" if none is near: one slip in three characters, three at most.
func nearest(name string, words []string) string {
	const longest = 64 // nothing we know is as long; the distance is quadratic
	if len(name) > longest {
		return ""
	}
	best, word := 0, ""
	for _, w := range words {
		limit := min(3, max(len(w), len(name))/3)
		if d := distance(name, w); d <= limit && (word == "" || d < best) {
			best, word = d, w
		}
	}
	return word
}

// didYouMean is a word of nearest as a hint.
func didYouMean(word string) string {
	if word == "" {
		return ""
	}
	return "did you mean " + word + "?"
}

// distance counts the bytes to insert, delete, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
