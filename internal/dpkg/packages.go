package dpkg

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"koweld/internal/tool"
)

// Package is what dpkg knows of a package, of any architecture.
type Package struct {
	// Status is that of the instance of which most is there, as
	// dpkg-query's ${db:Status-Status}.
	Status    string
	Essential bool
	Conffiles []string // those dpkg knows, obsolete ones too
}

// HasFiles reports whether files of it are there, configured or not.
func (p Package) HasFiles() bool { return Instance{Status: p.Status}.HasFiles() }

// packageName is what dpkg takes for a name (pkg_name_is_illegal in
// lib/dpkg/parsehelp.c), which is more than Policy does.
var packageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+._-]*$`)

// IsPackageName reports whether a package can have the name. dpkg-divert takes
// any for a holder, even ":", which it writes for a local diversion.
func IsPackageName(name string) bool { return packageName.MatchString(name) }

// Packages returns what dpkg knows of packages, by name. One that it does not
// know is not in the answer.
func (db *DB) Packages(ctx context.Context, names []string) (map[string]Package, error) {
	all := make(map[string]Package)
	// For a name that can be none dpkg-query would answer nothing at all.
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !IsPackageName(name) })
	for len(names) > 0 {
		n := min(batch, len(names))
		args := []string{"--admindir=" + db.AdminDir, "--show", "--showformat=" + packageFormat, "--"}
		args = append(args, names[:n]...)
		names = names[n:]
		res, err := db.Tool.Run(ctx, tool.Cmd{Path: "dpkg-query", Args: args})
		var failed *tool.FailedError
		// 1: some package is not known.
		if err != nil && !(errors.As(err, &failed) && failed.Code == 1) {
			return nil, fmt.Errorf("cannot ask dpkg for packages: %w", err)
		}
		parsePackages(string(res.Stdout), all)
	}
	return all, nil
}

// packageFormat gives a line for the package and one for each conffile, which
// begins with a blank (deb822(5)).
const packageFormat = "=${Package}\t${db:Status-Status}\t${Essential}\n${Conffiles}\n"

func parsePackages(out string, all map[string]Package) {
	name := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if head, ok := strings.CutPrefix(line, "="); ok {
			f := strings.Split(head, "\t")
			if name = ""; len(f) != 3 {
				continue
			}
			name = f[0]
			p := all[name]
			if more := (Package{Status: f[1]}); p.Status == "" || more.HasFiles() {
				p.Status = f[1]
			}
			p.Essential = p.Essential || f[2] == "yes"
			all[name] = p
			continue
		}
		if file, ok := conffile(line); ok && name != "" {
			p := all[name]
			p.Conffiles = append(p.Conffiles, file)
			all[name] = p
		}
	}
}

// conffile reads " /etc/x 0123… obsolete": the path, which may have blanks in
// it, the digest, and flags.
func conffile(line string) (string, bool) {
	words := strings.Split(strings.TrimPrefix(line, " "), " ")
	for n := len(words); n > 1; n = len(words) {
		last := words[n-1]
		words = words[:n-1]
		if last != "obsolete" && last != "remove-on-upgrade" {
			file := strings.Join(words, " ")
			return file, strings.HasPrefix(file, "/")
		}
	}
	return "", false
}
