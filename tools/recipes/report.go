package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"koweld/assemble/recipe"
)

// report gathers the results by kernel, architecture and kind.
type report struct {
	groups map[string][]*result
	order  []string
}

func newReport() *report { return &report{groups: map[string][]*result{}} }

func (r *report) add(res *result) {
	key := strings.Join([]string{res.kernel, res.arch, res.kind}, "\t")
	if r.groups[key] == nil {
		r.order = append(r.order, key)
	}
	r.groups[key] = append(r.groups[key], res)
}

// rank is the value below which a share of the sorted values lies.
func rank[T any](sorted []T, share float64) T {
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

func (r *report) tables(w io.Writer, e extent) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	columns := []string{"kernel", "arch", "kind", "equal", "images MB", "recipe median", "p95", "max", "code+data literals % median", "max", "longest", "tampered", "harmless"}
	if e.ld {
		columns = append(columns, "make/ld median", "max")
	}
	fmt.Fprintln(t, strings.Join(columns, "\t")+"\t")
	for _, key := range slices.Sorted(slices.Values(r.order)) {
		group := r.groups[key]
		var sizes []int64
		var shares, ratios []float64
		var images, longest int64
		tampered, harmless := 0, 0
		for _, res := range group {
			sizes = append(sizes, res.recipe)
			shares = append(shares, 100*res.share)
			images += res.image
			longest = max(longest, res.longest)
			tampered += res.tampered
			harmless += res.harmless
			if res.ld > 0 {
				ratios = append(ratios, float64(res.make)/float64(res.ld))
			}
		}
		slices.Sort(sizes)
		slices.Sort(shares)
		slices.Sort(ratios)
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%d\t%d\t%d\t%.3f\t%.3f\t%d\t%d\t%d\t", key, len(group), float64(images)/1e6,
			rank(sizes, 0.5), rank(sizes, 0.95), rank(sizes, 1), rank(shares, 0.5), rank(shares, 1), longest, tampered, harmless)
		if e.ld && len(ratios) > 0 {
			fmt.Fprintf(t, "%.1f\t%.1f\t", rank(ratios, 0.5), rank(ratios, 1))
		} else if e.ld {
			fmt.Fprint(t, "-\t-\t")
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush()
	fmt.Fprintln(w)
	r.kinds(w)
}

// kinds prints what the literals are, and where the recipes fall back to them.
func (r *report) kinds(w io.Writer) {
	sums := map[recipe.Kind]int64{}
	var worst []*result
	var recipes, images int64
	for _, group := range r.groups {
		for _, res := range group {
			for kind, n := range res.literals {
				sums[kind] += n
			}
			recipes += res.recipe
			images += res.image
			if res.share > 0.01 || res.longest > 4<<10 {
				worst = append(worst, res)
			}
		}
	}
	fmt.Fprintf(w, "recipes of %d bytes for images of %d; literals by kind:", recipes, images)
	for _, kind := range []recipe.Kind{recipe.KindHeaders, recipe.KindSymbols, recipe.KindRelocs, recipe.KindNotes, recipe.KindBTF, recipe.KindObjtool, recipe.KindDebug, recipe.KindOther, recipe.KindCode, recipe.KindData} {
		fmt.Fprintf(w, " %s %d", kind, sums[kind])
	}
	fmt.Fprintln(w)
	slices.SortFunc(worst, func(a, b *result) int { return strings.Compare(a.String(), b.String()) })
	for _, res := range worst {
		fmt.Fprintf(w, "beyond what lint permits: %s\n", res)
	}
}
