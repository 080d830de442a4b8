// Package quirks decides what a system's quirks ask for.
//
// A quirk is a known oddity of a system and what to do about it, as data. It is
// an invariant and not an event: its actions hold exactly while its condition
// does, whoever runs koweld and however an upgrade ends. So there is nothing to
// add at a beginning and to forget at an end; at each occasion the whole is
// decided anew, from what was measured and from the record of what was done.
//
// [Parse] and [Load] read quirks. [Set.Needs] says what must be measured for them,
// [Facts] is what was. [Decide] says of one quirk what is wanted now. All are
// pure: a decision holds wanted states and no operations, and another package
// makes them true.
//
// A condition is true, false or unknown, and what cannot be known keeps what is:
// an unknown neither does nor undoes anything. What was done is taken back by its
// [Record] alone, so that it goes when the quirk's file is gone.
//
// The format is described in koweld-quirk(5).
package quirks
