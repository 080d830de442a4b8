package initramfs

import "strings"

// A word of a shell script, as far as it can be known without a shell.
type word struct {
	text     string // without its quotes
	computed bool   // it has an expansion, or is of an array
}

// words cuts a script into words. What a command is made of, which branch is
// taken and what a here-document is are not told apart.
func words(script string) []word {
	var all []word
	var b strings.Builder
	var w word
	inWord := false
	end := func() {
		if inWord {
			w.text = b.String()
			all = append(all, w)
		}
		b.Reset()
		w, inWord = word{}, false
	}
	for i := 0; i < len(script); i++ {
		c := script[i]
		switch {
		case c == '#' && !inWord:
			for i+1 < len(script) && script[i+1] != '\n' {
				i++
			}
		case c == '\\':
			i++ // what follows stands for itself, or the line goes on
			if i < len(script) && script[i] != '\n' {
				b.WriteByte(script[i])
				inWord = true
			}
		case c == '\'' || c == '"':
			inWord = true
			for i++; i < len(script) && script[i] != c; i++ {
				switch {
				case c == '"' && script[i] == '\\' && i+1 < len(script):
					i++
					if script[i] == '\n' {
						continue
					}
				case c == '"' && (script[i] == '$' || script[i] == '`'):
					w.computed = true
				}
				b.WriteByte(script[i])
			}
		case c == '(' && inWord && script[i-1] == '=':
			w.computed = true
			end()
		case strings.IndexByte(" \t\r\n;&|()<>", c) >= 0:
			if c == '<' && i+1 < len(script) && script[i+1] == '<' {
				all = append(all, word{text: hereDocument})
			}
			end()
		default:
			inWord = true
			w.computed = w.computed || c == '$' || c == '`'
			b.WriteByte(c)
		}
	}
	end()
	return all
}

// hereDocument stands for the operator; no word of a script is this one.
const hereDocument = "<<"
