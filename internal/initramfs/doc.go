// Package initramfs tells which modules an initramfs holds, and which its maker
// would put into it, from what the makers read: initramfs-tools and dracut.
//
// Both makers are shell, and so is most of what configures them; only they
// know for sure, and to ask them is to make the image. This package errs on
// the one side: it may say that a module would be taken where it would not,
// which costs a run of the maker; where it says that none would, none is named by
// any list, setting or hook, and none lies in a folder that one takes. What it
// cannot see is what a hook computes. That a listing names a module needs no
// guess, so a module that is in the image never keeps its old bytes there.
package initramfs
